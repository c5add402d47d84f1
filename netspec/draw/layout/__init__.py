"""Structure to places: boxes, lines and words with coordinates, as pieces of a scene."""
