"""Scene to bytes: one module a file format."""
