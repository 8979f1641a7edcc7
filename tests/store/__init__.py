# SPDX-License-Identifier: Apache-2.0
"""The store against real files and a real index: what every back end must keep."""
