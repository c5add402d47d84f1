"""What is derived from a checked graph."""
