"""Graph to the text of a Python file that needs only torch: a class for each block.

In goes a checked graph, out comes text; nothing is run but on the meta device.
"""
