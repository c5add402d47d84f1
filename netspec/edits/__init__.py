"""Diagnostics to edits that mend a spec: proposed from a message, tried, kept if they check.

What builds a spec is given; nothing is found wrong here.
"""
