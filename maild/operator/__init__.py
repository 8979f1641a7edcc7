# SPDX-License-Identifier: Apache-2.0
"""The operator's verbs, one file per group; each works while the daemon runs."""
