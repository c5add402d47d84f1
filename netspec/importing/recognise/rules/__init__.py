"""Rules of nodes to steps that ask for parts of values: attention, rolls, pixels."""
