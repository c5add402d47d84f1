"""The lines in which a spec states figures and how images are prepared: their keys, what each takes."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

from netspec.foundation.records import record


@record
class Takes:
    """What a key takes: in words, and whether an evaluated value is that; the words, if it takes some."""

    says: str
    allows: Callable[[object], bool]
    words: tuple[str, ...] = ()


def percent(least: float = 0, most: float = 100) -> Takes:
    """A number of per cent between two."""

    def allows(value: object) -> bool:
        return isinstance(value, int | float) and _number(value) and least <= value <= most

    return Takes(f"a number from {least:g} to {most:g}", allows)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(least: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


def _among(words: tuple[str, ...]) -> Takes:
    says = f"{', '.join(words[:-1])} or {words[-1]}"
    return Takes(says, lambda value: getattr(value, "text", value) in words, words)


def _is_size(least: int = 1) -> Callable[[object], bool]:
    return lambda value: _whole(least)(value) and least <= value <= _LARGEST  # type: ignore[operator]


def _is_box(value: object) -> bool:
    """A size of an image: of both sides, or height and width."""
    if isinstance(value, tuple):
        return len(value) == 2 and all(map(_is_size(), value))
    return _is_size()(value)


def _plain(value: object) -> bool:
    """A number that float32 arithmetic on pixels is safe with."""
    return _number(value) and isfinite(value) and abs(value) <= _FAR  # type: ignore[arg-type]


def _is_range(value: object) -> bool:
    both = isinstance(value, tuple) and len(value) == 2 and all(map(_plain, value))
    return both and abs(value[1] - value[0]) >= 1 / _FAR  # type: ignore[index]


def _each(allows: Callable[[object], bool]) -> Callable[[object], bool]:
    def allowed(value: object) -> bool:
        values = value if isinstance(value, tuple) else (value,)
        return bool(values) and all(map(allows, values))

    return allowed


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_scale(value: object) -> bool:
    if isinstance(value, tuple):
        return bool(value) and all(map(_whole(1), value))
    return _is_text(value) or _whole(1)(value)


# The largest side of an image, and numbers so large or so near to 0 that they are slips.
_LARGEST, _FAR = 2**13, 10**6

TEXT = Takes("a text in quotes", _is_text)
COUNT = Takes("a whole number of at least 1", _whole(1))
SCALE = Takes("a size such as 256, a list of sizes or a text in quotes", _is_scale)

# Of errors less is better, of scores more; each with the words that tables print.
ERRORS = {
    "top1": "top-1",
    "top5": "top-5",
    "localization": "localization",
}
SCORES = {
    "accuracy": "accuracy",
    "frequency_weighted_iu": "f.w. IU",
    "iu": "IU",
    "mean_accuracy": "mean accuracy",
    "mean_ap": "mAP",
    "mean_iu": "mean IU",
    "pixel_accuracy": "pixel accuracy",
    "points": "points",
}
MEASURES = {**ERRORS, **SCORES}
EVALUATIONS = ("crops", "dense", "both")

_VALUES = {**dict.fromkeys(MEASURES, percent()), "points": Takes("a number", _number)}
_PROTOCOL = {
    "on": TEXT,
    "evaluation": _among(EVALUATIONS),
    "crops": COUNT,
    "models": COUNT,
    "train_scale": SCALE,
    "test_scale": SCALE,
    "external_data": TEXT,
    "method": TEXT,
    "note": TEXT,
    "source": TEXT,
}
_ENTRY = {
    "challenge": TEXT,
    "year": Takes("a year such as 2014", lambda value: value in range(1900, 2101)),
    "team": TEXT,
    "place": COUNT,
    "layers": Takes("a whole number of at least 0", _whole(0)),
}


@record
class Statement:
    """A kind of line: its measures, what each key takes, and which keys it cannot do without.

    A line that has measures states at least one.
    """

    measures: tuple[str, ...]
    keys: dict[str, Takes]
    required: tuple[str, ...]


def _statement(
    measures: dict[str, str], required: tuple[str, ...], more: dict[str, Takes]
) -> Statement:
    keys = {**{key: _VALUES[key] for key in measures}, **more, **_PROTOCOL}
    return Statement(tuple(measures), keys, required)


STATEMENTS = {
    "error": _statement(ERRORS, ("source",), {}),
    "score": _statement(SCORES, ("on", "source"), {}),
    "entry": _statement(MEASURES, ("challenge", "year", "team", "source"), _ENTRY),
}

CHANNELS = ("rgb", "bgr", "grey")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic")
# How an image becomes an input: `netspec.analysis.preprocessing` reads it.
PREPROCESS = Statement(
    (),
    {
        "image": Takes(
            "the name of an input", lambda value: _is_text(getattr(value, "text", value))
        ),
        "resize": Takes(f"a whole size from 1 to {_LARGEST}, or (height, width)", _is_box),
        "crop": Takes(f"a whole size from 1 to {_LARGEST}, or (height, width)", _is_box),
        "pad": Takes(f"a whole number from 0 to {_LARGEST}", _is_size(0)),
        "interpolation": _among(INTERPOLATIONS),
        "channels": _among(CHANNELS),
        "range": Takes("what 0 and 255 become: two numbers such as (0, 1)", _is_range),
        "mean": Takes("a number, or one for each channel", _each(_plain)),
        "std": Takes(
            "a number above 0, or one for each channel",
            _each(lambda value: _plain(value) and value >= 1 / _FAR),  # type: ignore[operator]
        ),
        "source": TEXT,
    },
    (),
)
LINES = {**STATEMENTS, "preprocess": PREPROCESS}


def line_of(key: str) -> str:
    """The kind of line that takes a key, where another does not; empty if none does."""
    return next((name for name, line in STATEMENTS.items() if key in line.keys), "")
