"""Use cases: one function each. They use the ports that ``model`` declares."""
