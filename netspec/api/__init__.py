"""Python's front door: a spec, a file or a module comes in, a `Net` and all one does with it goes out."""
