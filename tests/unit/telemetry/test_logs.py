"""What the service writes on standard error."""

import json
import os
import subprocess
import sys

WORKERS, LINES = 4, 1000
WORKER = f"""
import structlog
from bridgework.telemetry import logs

logs.configure("info")
for number in range({LINES}):
    structlog.get_logger().info("request", number=number)
    logs.audit("change", number=number)
"""


def test_lines_of_workers_that_write_at_once_stay_whole(tmp_path):
    """All workers of a service share one standard error; PYTHONUNBUFFERED is set in the image and in the unit."""
    with (tmp_path / "log").open("wb") as log:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        started = [
            subprocess.Popen([sys.executable, "-c", WORKER], stderr=log, env=environment) for _ in range(WORKERS)
        ]
        assert [one.wait(60) for one in started] == [0] * WORKERS
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert len(lines) == 2 * WORKERS * LINES
