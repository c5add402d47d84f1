"""Operators: one class each, in the folder of what it works on; `declare` says what a class states.

`registry` finds them by their words. No back-end: hooks are given what they need.
"""
