"""Operators over the places of a map: windows that slide, borders, resizing, regions.

What leaves every place by itself is `elementwise`.
"""
