"""The WSGI entry point: ``gunicorn -c python:service.gunicorn_conf service.wsgi:app``."""

from __future__ import annotations

import os

from service.app import create_app
from service.engine.connection import EngineAddress
from service.logs import configure
from service.settings import read_settings

_settings = read_settings()
configure(_settings.log_level)
app = create_app(_settings, EngineAddress.from_environment(os.environ))
