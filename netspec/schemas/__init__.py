"""JSON schemas of what the commands print with `--json`.

No Python.
"""
