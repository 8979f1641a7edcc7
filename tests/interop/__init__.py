# SPDX-License-Identifier: Apache-2.0
"""Foreign programs against ours."""
