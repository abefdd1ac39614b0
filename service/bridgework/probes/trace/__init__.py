"""Follows one flow through the kernel: at interfaces, through the rules of nf_tables, and in conntrack."""
