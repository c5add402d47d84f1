"""Graph to ONNX file: lowered without tracing, written as a stream."""
