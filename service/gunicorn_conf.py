"""gunicorn's settings, from ours: gthread, since a check enters a namespace in a thread of its own (not gevent)."""

from __future__ import annotations

import sys

from service.settings import BadSettings, read_settings

try:
    _settings = read_settings()
except BadSettings as error:
    sys.exit(f"Bridgework does not start: {error}")

bind = _settings.bind
workers = _settings.workers
threads = _settings.threads
worker_class = "gthread"
timeout = int(_settings.request_timeout_s) + 30
graceful_timeout = 25
keepalive = 75
limit_request_line = 8190
limit_request_fields = 64
accesslog = None
errorlog = "-"
loglevel = "warning"
control_socket_disable = True
worker_tmp_dir = "/dev/shm"
