"""Graph to `torch.nn.Module`: the spec's blocks as modules."""
