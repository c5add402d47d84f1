"""Graph to graph: what the deployed net leaves out.

What is computed stays the same; nothing is checked again.
"""
