"""Graph to what runs: ONNX files, PyTorch modules, and ONNX Runtime.

What an operator becomes is said in `ops`; here is what all of them share.
"""
