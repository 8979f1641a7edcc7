# SPDX-License-Identifier: Apache-2.0
"""``python -m maild`` is the command ``maild``."""

from __future__ import annotations

import sys

from maild.entry import main

if __name__ == "__main__":
    sys.exit(main())
