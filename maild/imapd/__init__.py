# SPDX-License-Identifier: Apache-2.0
"""The mailbox view of everything the store holds."""
