"""A topology as text that other programs draw."""
