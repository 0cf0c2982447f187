"""Attacks on a model and what they amount to: pure functions on arrays, each with its source."""
