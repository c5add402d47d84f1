"""Calls that have been run before, added again without being run: graph to graph, never text to text.

What a call depends on is its key; how a run is told from another is said here alone.
"""
