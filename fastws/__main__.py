"""``python -m fastws``: see ``fastws.cli``."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    status = main(sys.argv[1:])
    # With ``python -i`` also an exit with status 0 would be reported.
    if status:
        sys.exit(status)
