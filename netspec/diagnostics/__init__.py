"""Mistakes to messages: what is wrong, where, and how it is shown. Knows nothing of what a spec means."""
