"""Operators over vectors and sequences of them: products, attention, recurrence, tokens."""
