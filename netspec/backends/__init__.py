"""Graph to what runs: ONNX files, PyTorch modules, and ONNX Runtime."""
