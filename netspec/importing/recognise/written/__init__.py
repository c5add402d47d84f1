"""Operators that ONNX lacks, where programs write them out: each is written again and held against the nodes.

What a cluster of nodes may be is read off its ends (`forms`): which tensors go in, with which parameters.
Such a step is lowered for the file's opset (`again`), as netspec writes it, and read as the file was. If
both are the same nodes, constants and wiring (`alike`), the step takes their place (`finding`).
"""
