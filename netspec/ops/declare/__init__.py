"""What an operator is: its parameters, weights, hooks, and the interfaces of what lowers it. No operator."""
