"""What the tests share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from netspec.build import build
from netspec.diagnostics import NetspecError
from netspec.graph import Graph
from netspec.source import Source

Built = Callable[..., Graph]


@pytest.fixture
def net() -> Built:
    """Builds a net from text; the input is `3x32x32` unless the text declares one."""

    def made(text: str, input: str | None = "3x32x32", **settings: object) -> Graph:
        inputs = () if input is None or "input " in text else (input,)
        return build(Source("<test>", text), settings, inputs)

    return made


@pytest.fixture
def refused() -> Callable[..., NetspecError]:
    """Builds a net that must be refused; returns the error."""

    def failed(text: str, input: str | None = "3x32x32") -> NetspecError:
        inputs = () if input is None or "input " in text else (input,)
        with pytest.raises(NetspecError) as caught:
            build(Source("<test>", text), {}, inputs)
        return caught.value

    return failed
