"""Where things lie in a package."""

from __future__ import annotations

# One line for each file, as sha256sum writes and checks them.
SUMS = "SHA256SUMS"
SIGNATURE = "model.sig"
CONFIG = "config.json"
PROCESSOR = "preprocessor_config.json"
CARD = "README.md"
WEIGHTS = "model.safetensors"
PICTURE = "net.svg"
REPORT = "verification.json"
# The ONNX files by precision, as Optimum and Transformers.js name them. MLflow wants its own file beside
# the one that it loads.
ONNX = "onnx"
MODELS = {
    "fp32": f"{ONNX}/model.onnx",
    "fp16": f"{ONNX}/model_fp16.onnx",
    "int8": f"{ONNX}/model_int8.onnx",
}
