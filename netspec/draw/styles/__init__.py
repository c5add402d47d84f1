"""Views of nets to a scene: one module a style.

What a scene becomes in a file is for `formats`.
"""
