# SPDX-License-Identifier: Apache-2.0
"""Bytes and records: the one place where the stations meet."""
