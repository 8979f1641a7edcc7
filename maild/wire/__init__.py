# SPDX-License-Identifier: Apache-2.0
"""How protocols are written: sans-I/O grammar for both roles."""
