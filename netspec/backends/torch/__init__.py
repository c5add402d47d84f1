"""Graph to `torch.nn.Module`: the spec's blocks as modules.

Importing it needs torch; nothing of ONNX.
"""

from netspec.system.extras import need

need("torch", "a PyTorch module")
