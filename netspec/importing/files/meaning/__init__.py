"""A flat model of half precision or eight bits to the one in single precision that it means.

What a file rounds to is no part of the net that it is: casts and roundings are taken out, weights get
the numbers that their integers or halves stand for. Nothing else is changed.
"""
