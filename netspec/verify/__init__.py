"""A graph or a file to a proof: PyTorch, ONNX Runtime and double precision side by side.

No file is written but the one that is proven, and nothing is judged but numbers.
"""

from netspec.verify.proof import embed, require_file, verify, verify_file
from netspec.verify.report import Case, Culprit, Report, Response

__all__ = [
    "Case",
    "Culprit",
    "Report",
    "Response",
    "embed",
    "require_file",
    "verify",
    "verify_file",
]
