"""Diagnostics to edits that mend a spec: proposed from what a message says, tried, kept if they check."""
