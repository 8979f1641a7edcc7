# SPDX-License-Identifier: Apache-2.0
"""Tests: transcripts, properties, units, the store's contract, flows and interop."""
