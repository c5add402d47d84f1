"""What an edit puts in stands as `netspec fmt` would set it."""

from __future__ import annotations

import pytest

from netspec import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.syntax.fmt import format_text


@pytest.mark.parametrize(
    "step",
    [
        "conv3-8(pad=1 stride=2)",
        "conv3-8(pad=1    stride=2)",
        "conv3-8(pad=1,stride=1 bias=no)",
        "parameter(3x3 init=ones)",
        "conv3-8(pad 1)",
        "conv3-(4 + 2",
        "for i 1..3 { relu }",
        "for i in [1 2] { conv1-i }",
        "for i in [(1) (2)] { conv1-i }",
        "concat { relu | relu }",
        "block b(n m=2) { conv1-n }; b(1)",
    ],
)
def test_a_token_put_in_is_spaced_as_fmt_would(step: str) -> None:
    text = f"input 3x8x8\n{step}\n"
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", text))
    edit = caught.value.diagnostics[0].edits[0]
    mended = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    build(Source("t.ns", mended))
    assert edit.replacement in format_text(mended)
