# SPDX-License-Identifier: GPL-3.0-only
"""The terminal: a typed, async SDK and the command `mshare`."""
