"""Text to tree: files read, tokens and grammar to `ast` records, `fmt`. Nothing is checked here."""
