# SPDX-License-Identifier: Apache-2.0
"""Values named by RFCs: no I/O, no clock, no randomness; imports nothing of ours."""
