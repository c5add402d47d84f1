"""Tree to checked graph: names, arguments and steps become nodes. `build` is the one way graphs are made."""
