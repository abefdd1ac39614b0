"""The rules of reachability: ``table`` orders them, ``base`` defines what a rule reads and yields."""
