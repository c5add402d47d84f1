"""Operators over vectors and sequences of them: products, attention, recurrence, tokens.

What slides over time as over space is `spatial`.
"""
