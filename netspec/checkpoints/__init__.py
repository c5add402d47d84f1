"""Published weights: reading files of tensors and finding which tensor is which."""

from netspec.checkpoints.files import Checkpoint, open_checkpoint
from netspec.checkpoints.load import FromFile, Loaded, load
from netspec.checkpoints.plan import Pair

__all__ = ["Checkpoint", "FromFile", "Loaded", "Pair", "load", "open_checkpoint"]
