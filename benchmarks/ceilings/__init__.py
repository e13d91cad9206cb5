"""Fronts that answer a prepared message: what a front can do at most."""
