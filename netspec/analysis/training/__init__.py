"""Checked graph to the memory that training takes: what is kept for backward, and all that stands beside it.

A net's layers are followed without torch, on tensors that have sizes, strides and a storage and no
numbers; each function of torch's says what it keeps. No numbers are computed here.
"""
