# SPDX-License-Identifier: Apache-2.0
"""``python -m qfleet`` is the command ``qfleet``."""

from qfleet.cli import main

if __name__ == "__main__":
    main()
