"""What a checked net is: nodes, the calls that made them, the graph around them. None is made here."""
