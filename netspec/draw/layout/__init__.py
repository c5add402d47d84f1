"""Structure to places: boxes, lines and words with coordinates, as pieces of a scene.

No colours, no bytes, and no page around them.
"""
