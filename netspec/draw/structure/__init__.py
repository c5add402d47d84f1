"""Graph to what pictures show: chains, branches, blocks, skips, repeats.

Nothing has a place yet.
"""
