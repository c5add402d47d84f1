"""Tree to checked graph: names, arguments and steps become nodes; `build` is the one way in.

Shapes and costs of a layer are its operator's; nothing here names one.
"""
