"""``python -m bridgework_cli`` is ``bridgework``."""

import sys

from bridgework_cli import main

if __name__ == "__main__":
    sys.exit(main())
