# SPDX-License-Identifier: Apache-2.0
"""What must survive anything: kills, crash points, refusing devices, power cuts."""
