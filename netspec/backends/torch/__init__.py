"""Graph to `torch.nn.Module`: the spec's blocks as modules. The one room that imports torch."""

from netspec.system.extras import need

need("torch", "a PyTorch module")
