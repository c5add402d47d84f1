"""Operators that keep a tensor's shape: activations, arithmetic, normalisation, noise."""
