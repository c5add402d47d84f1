"""Files of weights to the tensors of a graph: read safely, and matched name to name.

Nothing is run from a file, and nothing written.
"""

from netspec.checkpoints.files import Checkpoint, open_checkpoint
from netspec.checkpoints.load import FromFile, Loaded, load
from netspec.checkpoints.plan import Pair

__all__ = ["Checkpoint", "FromFile", "Loaded", "Pair", "load", "open_checkpoint"]
