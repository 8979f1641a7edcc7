# SPDX-License-Identifier: Apache-2.0
"""Our outgoing side: routes, connections, one attempt at a time."""
