"""The engine that behaviour tests run on, as scripts/private_engine.py makes it; loaded by path, as scripts are."""

import importlib.util
import sys
from pathlib import Path

_PATH = Path(__file__).resolve().parent.parent / "scripts" / "private_engine.py"
_SPEC = importlib.util.spec_from_file_location("bridgework_private_engine", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
_MODULE = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = _MODULE  # dataclasses look their module up there
_SPEC.loader.exec_module(_MODULE)

EngineError = _MODULE.EngineError
PrivateEngine = _MODULE.PrivateEngine
answers = _MODULE.answers
ask = _MODULE.ask
install_packages = _MODULE.install_packages
run = _MODULE.run
