"""Firewall rules as values, and whether a packet matches one."""
