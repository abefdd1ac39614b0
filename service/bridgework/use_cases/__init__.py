"""Use cases: one function each, over the ports that core names."""
