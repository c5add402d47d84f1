"""What blocks and inputs of a net are called in Python."""

from __future__ import annotations

import keyword
from collections.abc import Iterable


def class_name(kind: str) -> str:
    """A block's name as that of a class.

    >>> class_name("squeeze_excite"), class_name("resnet50"), class_name("_"), class_name("true")
    ('SqueezeExcite', 'Resnet50', 'Block_', 'True_')
    """
    name = "".join(word[:1].upper() + word[1:] for word in kind.split("_"))
    if not name.isidentifier():
        name = f"Block{name}_"
    return f"{name}_" if keyword.iskeyword(name) else name


def argument_names(inputs: Iterable[str]) -> tuple[str, ...]:
    """The inputs' names as Python takes them: what it reserves has an underscore after it.

    >>> argument_names(["image", "lambda", "self"])
    ('image', 'lambda_', 'self_')
    """
    given = list(inputs)
    found: list[str] = []
    for name in given:
        while keyword.iskeyword(name) or name == "self" or name in found:
            name += "_"
            while name in given:
                name += "_"
        found.append(name)
    return tuple(found)
