# SPDX-License-Identifier: GPL-3.0-only
"""Uploading what appears in folders by itself, on networks that are not metered.

The seed: "Automatically upload content to the cloud server when WIFI is enabled".
"""
