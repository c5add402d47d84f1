"""Nets that go back and forth between resolutions: rows of one resolution, columns by depth.

Takes the elements of a series and what leads from each to each; gives one piece. Draws no element itself.
"""
