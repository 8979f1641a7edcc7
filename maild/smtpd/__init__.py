# SPDX-License-Identifier: Apache-2.0
"""The SMTP server side: listeners `smtp` and `submission`."""
