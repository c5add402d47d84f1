"""Fences of MkDocs and of everything else that uses pymdownx.superfences.

markdown_extensions:
  - pymdownx.superfences:
      custom_fences:
        - name: netspec
          class: netspec
          format: !!python/name:netspec.embedding.fences.fence
          validator: !!python/name:netspec.embedding.fences.validator
"""

from __future__ import annotations

import logging
from html import escape
from typing import Any

from netspec.diagnostics.raised import NetspecError
from netspec.embedding.drawn import drawn

# MkDocs counts what is logged here: with --strict a spec that is wrong ends the build.
_LOG = logging.getLogger("mkdocs.plugins.netspec")


def fence(
    source: str, language: str, class_name: str, options: dict[str, str], md: Any, **rest: Any
) -> str:
    """The picture of a fence that holds a spec or names of shipped ones, as HTML.

    What is wrong with it stands in its place, as the command line tells it, and is logged as a warning.
    """
    given = dict(options)
    width = given.pop("width", "")
    try:
        return f'<p class="{escape(class_name)}">{drawn(source, given).html(width)}</p>'
    except NetspecError as error:
        _LOG.warning("%s", error)
        return f'<pre class="{escape(class_name)}"><code>{escape(str(error))}</code></pre>'


def validator(
    language: str, inputs: dict[str, str], options: dict[str, str], attrs: dict[str, str], md: Any
) -> bool:
    """Takes all that stands behind the fence's name; what is no option is told where it is drawn."""
    options.update(inputs)
    return True
