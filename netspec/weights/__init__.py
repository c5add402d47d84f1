"""Where a net's numbers come from: drawn from a seed, or given by name.

Files of others are for `checkpoints`.
"""
