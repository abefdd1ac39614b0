"""IPAM: who holds which address, what overlaps, what is free, and what a caller may ask for."""
