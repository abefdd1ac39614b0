"""Every measure beside its rival: ``python -m bench.run``."""
