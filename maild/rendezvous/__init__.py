# SPDX-License-Identifier: Apache-2.0
"""The rendezvous (the seed's RCS server): accounts are numbers, and what passes."""
