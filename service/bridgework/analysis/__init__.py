"""Prediction from the engine's state, and what a measurement adds to it."""
