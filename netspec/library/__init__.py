"""Blocks written in the language, found by every spec without an import: one file a block.

No Python; what a spec must import is in `specs`.
"""
