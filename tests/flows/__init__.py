# SPDX-License-Identifier: Apache-2.0
"""The patent's roads with real processes and sockets."""
