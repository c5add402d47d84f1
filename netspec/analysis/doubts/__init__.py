"""What checks and is yet likely to be a slip: steps that nothing reads, orders that mislead.

A checked graph comes in, warnings go out; what is wrong is no matter of this folder.
"""
