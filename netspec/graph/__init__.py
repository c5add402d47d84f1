"""What a checked net is: nodes, the calls that made them, and the graph around them.

None is made here: `elaborate` makes them, `passes` remake them.
"""
