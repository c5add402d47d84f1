"""Words on a command line to calls of the library: one module a command.

Nothing is computed here.
"""
