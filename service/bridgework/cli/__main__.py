"""``python -m bridgework.cli`` is ``bridgework``."""

import sys

from bridgework.cli import main

if __name__ == "__main__":
    sys.exit(main())
