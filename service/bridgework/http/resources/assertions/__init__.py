"""Assertions about connectivity."""
