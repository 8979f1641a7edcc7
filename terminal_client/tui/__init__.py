# SPDX-License-Identifier: GPL-3.0-only
"""``mshare tui``: everything on one screen.  Only that verb loads this (Textual)."""
