"""Words on a command line to calls of the library: a module a command. Nothing is computed here."""
