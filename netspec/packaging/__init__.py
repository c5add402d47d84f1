"""Graph and weights to a package, the folder that hubs and registries of models take, and back to a proof.

What is written is what their programs read, by the names and keys that those have; nothing is uploaded.
"""
