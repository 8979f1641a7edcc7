# SPDX-License-Identifier: Apache-2.0
"""Files of any size as mail: SMTP moves, IMAP shows."""
