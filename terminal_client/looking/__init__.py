# SPDX-License-Identifier: GPL-3.0-only
"""Looking into content that is elsewhere: a few slices of it tell what it is.

What is read was made by strangers.  Every reader here is given a file object that ends
after so many octets and so many slices (`range_file`), and believes no length it reads.
"""
