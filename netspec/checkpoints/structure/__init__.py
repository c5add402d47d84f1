"""Which layer of a file is which layer of a net, from the shapes, the data and the names."""
