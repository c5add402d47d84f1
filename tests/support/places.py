"""Where things are in a checkout."""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "examples"
DATA = ROOT / "tests" / "data"
