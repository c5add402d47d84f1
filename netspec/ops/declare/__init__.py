"""What an operator is: parameters, weights, hooks, and the interfaces of what lowers it.

No operator but the input of a net.
"""
