"""A checked graph to the nets that have the same tensors and compute another function.

Shipped specs are known by digests, in an index that `python docs/make_twins.py` writes; only what has
the digest of a net is built and compared with it. Files of weights have no place here.
"""

from netspec.checkpoints.twins.find import twins_of

__all__ = ["twins_of"]
