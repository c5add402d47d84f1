"""Operators that keep a tensor's shape: activations, arithmetic, normalisation, noise.

What moves or mixes elements across places is elsewhere.
"""
