"""Operators: one class each, in the folder of what it works on; `declare` says what a class states.

`registry` names the modules. Nothing here imports a back-end: hooks get what they need.
"""
