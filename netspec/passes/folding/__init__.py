"""A deployed graph to a graph of fewer steps that computes the same, with recipes for its tensors.

Each rule has a place of its own. No number is computed here.
"""
