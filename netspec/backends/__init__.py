"""Back-ends: how PyTorch, ONNX files and ONNX Runtime work; what is computed is in `netspec.ops`."""
