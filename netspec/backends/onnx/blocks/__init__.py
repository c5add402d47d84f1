"""Blocks as functions: a lowered model in, one whose blocks are ONNX functions out; and back."""
