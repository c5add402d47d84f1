"""What touches the machine: files written whole or not at all, the garbage collector, what is installed."""
