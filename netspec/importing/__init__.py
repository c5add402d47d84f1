"""Models of other programs in, specs of the same nets out.

What comes in is an ONNX file or a module of PyTorch. No part of a net is executed here but by ONNX
Runtime, for the proof; how a spec's text reads, once it is flat, is `structure`'s work alone.
"""
