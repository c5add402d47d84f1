"""What a tensor's shape is: integers or formulas of symbols, and what must hold of them.

No operator, and nothing of a tensor but its shape.
"""
