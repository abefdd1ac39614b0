"""Prediction from the engine's state: where a question stands, what it aims at, which way it goes."""
