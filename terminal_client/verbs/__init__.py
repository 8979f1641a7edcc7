# SPDX-License-Identifier: GPL-3.0-only
"""The verbs of `mshare`: one verb, one file."""
