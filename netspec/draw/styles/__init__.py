"""One module a style: views of nets to a scene."""
