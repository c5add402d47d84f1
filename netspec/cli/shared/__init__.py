"""What commands have in common: their options, what they read and feed, how they talk.

No command is imported here.
"""
