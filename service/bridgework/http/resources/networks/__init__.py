"""``/v1/networks`` and ``/v1/subnets``."""
