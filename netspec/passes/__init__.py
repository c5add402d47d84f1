"""Graph to graph: what the deployed net leaves out, and what it does in fewer steps.

What is computed stays the same, up to rounding; nothing is checked again, and no number is computed.
"""
