"""Mistakes to messages: what is wrong, where, and how it is shown.

Nothing here knows what a spec means: who finds a mistake says so with a class of `messages`.
"""
