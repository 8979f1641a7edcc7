# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: a question, our path beside the cheapest possible one, a ratio."""
