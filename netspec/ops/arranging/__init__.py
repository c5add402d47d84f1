"""Operators that put tensors together, take them apart, reorder or reduce their axes.

What has weights is elsewhere.
"""
