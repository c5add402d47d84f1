"""What is shipped is written so that nothing of it is warned of."""

import pytest

from netspec.analysis.doubts.misread import warnings_of
from netspec.elaborate.build import build
from netspec.syntax.files import read_spec, shipped_names

NAMES = shipped_names()


@pytest.mark.parametrize(
    "name",
    [n if not i % 12 else pytest.param(n, marks=pytest.mark.slow) for i, n in enumerate(NAMES)],
)
def test_a_shipped_spec_has_no_warnings(name: str) -> None:
    assert not warnings_of(build(read_spec(name)))
