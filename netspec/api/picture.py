"""A drawing as it is held in Python: shown in notebooks, written to files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from netspec.diagnostics.arguments import advising


class Picture:
    """A drawing: `str()` is the SVG, TikZ, dot or HTML text; notebooks show SVG, PNG and HTML.

    `keep` are files that it does not replace: those its nets were read from.
    """

    @advising
    def __init__(
        self,
        content: str | bytes,
        format: str | None = None,
        keep: Sequence[str | Path] = (),
    ) -> None:
        self.content = content
        self.format = format
        self.keep = tuple(keep)

    def __str__(self) -> str:
        return self.content if isinstance(self.content, str) else repr(self.content)

    @advising
    def save(self, path: str | Path) -> Path:
        """Writes the picture whole or not at all; raises ValueError for another format's ending."""
        from netspec.draw.picture import ENDINGS
        from netspec.system.atomic import replacing

        target = Path(path)
        content, ending = self.content, target.suffix.removeprefix(".").lower()
        ending = ENDINGS.get(ending, ending)
        if self.format and ending and ending != self.format:
            raise ValueError(
                f"the picture is {self.format}: draw it with format={ending!r} for {target.name}"
            )
        with replacing(target, keep=self.keep, text=isinstance(content, str)) as file:
            file.write(content.encode() if isinstance(content, str) else content)
        return target

    def __repr__(self) -> str:
        unit = "bytes" if isinstance(self.content, bytes) else "letters"
        return f"<Picture: {self.format}, {len(self.content):,} {unit}>"

    def _repr_svg_(self) -> str | None:
        content = self.content
        return content if isinstance(content, str) and "<svg" in content[:200] else None

    def _repr_png_(self) -> bytes | None:
        content = self.content
        return content if isinstance(content, bytes) and content.startswith(b"\x89PNG") else None

    def _repr_html_(self) -> str | None:
        return (
            framed(self.content)
            if isinstance(self.content, str) and self.format == "html"
            else None
        )


def framed(page: str, height: int = 640) -> str:
    """A whole page of HTML inside another: its scripts run apart, and reach nothing of the page around."""
    from html import escape

    return (
        f'<iframe sandbox="allow-scripts" srcdoc="{escape(page)}" '
        f'style="width:100%;height:{height}px;border:0" loading="lazy"></iframe>'
    )
