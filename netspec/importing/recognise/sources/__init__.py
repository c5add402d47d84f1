"""Tensors that come from no input: constants of a file as steps that give them."""
