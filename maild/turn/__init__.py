# SPDX-License-Identifier: Apache-2.0
"""Connections whose roles turn: who meets whom, and what joins them (RFC 2645)."""
