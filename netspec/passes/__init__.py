"""Passes: each takes a checked graph and gives a checked graph."""
