"""How addresses are used, and which subnets are free."""
