# SPDX-License-Identifier: GPL-3.0-only
"""``python -m terminal_client`` is `mshare`."""

import sys

from terminal_client.entry import main

sys.exit(main())
