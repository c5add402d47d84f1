"""Scene to bytes: one module a file format.

Nothing is placed here; the page in HTML asks the styles for its pictures.
"""
