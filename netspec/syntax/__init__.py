"""Text to tree: files are read, tokens and grammar make `ast` records, `fmt` lays them out.

What the words mean, and whether that is right, is for `elaborate`.
"""
