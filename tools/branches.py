"""``python -m tools.branches FILE PERCENT``: fail when a coverage report in JSON has fewer branches reached.

coverage.py can require a share of lines and branches together, but not of branches alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(report: str, wanted: str) -> int:
    """Print the share of branches that were reached. Exit status: 1 when it is less than ``wanted`` percent."""
    totals = json.loads(Path(report).read_text(encoding="utf-8"))["totals"]
    reached, all_of_them = totals["covered_branches"], totals["num_branches"]
    percent = 100 * reached / all_of_them
    print(f"{reached} of {all_of_them} branches reached: {percent:.1f} %, and {wanted} % are required")
    return 0 if percent >= float(wanted) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
