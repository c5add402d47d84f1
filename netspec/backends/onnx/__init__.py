"""Graph to ONNX file: lowered without tracing, written as a stream, guarded when read.

Neither torch nor a runtime.
"""
