# SPDX-License-Identifier: Apache-2.0
"""What time does to transfers: expiry, lifetime, delayed and failed notices."""
