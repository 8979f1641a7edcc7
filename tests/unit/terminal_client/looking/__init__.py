# SPDX-License-Identifier: GPL-3.0-only
"""Tests of the terminal, one file for each source file."""
