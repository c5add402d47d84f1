"""Back-ends: how PyTorch, ONNX files and ONNX Runtime work; `netspec.ops` says what to compute."""
