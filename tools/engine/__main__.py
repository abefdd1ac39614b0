"""The command line: ``python -m tools.engine start --dir DIRECTORY --name NAME``."""

import sys

from tools.engine.private_engine import main

sys.exit(main())
