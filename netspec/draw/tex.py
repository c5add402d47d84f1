"""Text and figures as TeX: what pdfLaTeX, LuaLaTeX and XeLaTeX read alike, with TikZ alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from unicodedata import normalize

from netspec.diagnostics.records import printable
from netspec.draw.outlines import pixel

_SIGNS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",
    "`": r"\`{}",
    "\N{NO-BREAK SPACE}": "~",
    "‘": r"\textquoteleft{}",
    "’": r"\textquoteright{}",
    "“": r"\textquotedblleft{}",
    "”": r"\textquotedblright{}",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "…": r"\dots{}",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "−": "$-$",
    "±": r"$\pm$",
    "÷": r"$\div$",
    "°": r"$^{\circ}$",
    "²": "$^{2}$",
    "³": "$^{3}$",
    "→": r"$\rightarrow$",
    "←": r"$\leftarrow$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≠": r"$\neq$",
    "≈": r"$\approx$",
    "∞": r"$\infty$",
    "√": r"$\surd$",
    "∑": r"$\sum$",
    "∈": r"$\in$",
    "⊕": r"$\oplus$",
    "⊗": r"$\otimes$",
    "⊙": r"$\odot$",
    "§": r"\S{}",
    "©": r"\copyright{}",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
}
_GREEK = {
    **dict(zip("αβγδεζηθικλμνξπρστυφχψω", (
        *("alpha", "beta", "gamma", "delta", "varepsilon", "zeta", "eta", "theta", "iota"),
        *("kappa", "lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "upsilon"),
        *("varphi", "chi", "psi", "omega"),
    ), strict=True)),
    **dict(zip("ΓΔΘΛΞΠΣΦΨΩ", (
        *("Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega"),
    ), strict=True)),
}  # fmt: skip
_SIGNS |= {letter: rf"$\{name}$" for letter, name in _GREEK.items()}
# What combines with a letter that stands alone in every encoding of TeX.
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0323": "d",
    "\u0327": "c",
}
_LIGATURES = frozenset(("--", "''", ",,"))
_PLAIN = "!\"'()*+,-./:;<=>?[]`|"
_APART = r"\kern0pt{}"


def tex(text: str) -> str:
    """Text that TeX sets as it is, whatever it holds.

    What has no name in TeX is left to the fonts of LuaLaTeX and XeLaTeX, and of pdfLaTeX where it
    knows the sign; else pdfLaTeX shows the letter without its accents, or a question mark.
    """
    found = []
    before = ""
    for ch in printable(text):
        found.append((_APART if before + ch in _LIGATURES else "") + _sign(ch))
        before = ch
    return "".join(found)


def _sign(ch: str) -> str:
    if ch in _SIGNS:
        return _SIGNS[ch]
    if " " <= ch <= "~":
        return ch
    letter, *marks = tuple(normalize("NFD", ch))
    plain = letter if letter.isascii() and letter.isalpha() else "?"
    if plain != "?" and len(marks) == 1 and marks[0] in _ACCENTS:
        return rf"\{_ACCENTS[marks[0]]}{{{plain}}}"
    return rf"\netspecsign{{{ch}}}{{{plain}}}"


def length(value: float) -> str:
    """A coordinate: to a hundredth, without a needless point."""
    return f"{round(value, 2) + 0.0:.10g}"


def figure(
    lines: Sequence[str], size: tuple[float, float], colours: Mapping[str, str], about: str
) -> str:
    """A TikZ picture of `size` pixels as a file that compiles by itself and can be read by `\\input`.

    `colours` are names with their values as `#rrggbb`; a document that defines one of the names has
    its own. `about` goes into a comment.
    """
    unit = pixel(*size)
    w, h = (f"{length(unit * side)}bp" for side in size)
    defined = [
        rf"\providecolor{{{name}}}{{HTML}}{{{value[1:].upper()}}}"
        for name, value in sorted(colours.items())
    ]
    corner = ",".join(map(length, size))
    plain = "".join(rf"\catcode{ord(sign)} 12" for sign in _PLAIN)
    head = _HEAD.replace("WIDTH", w).replace("HEIGHT", h).replace("CATCODES", plain)
    # What a spec says goes in last, so that nothing in it is taken for a place to fill.
    head = head.replace("ABOUT", printable(about))
    return "\n".join(
        (
            head,
            *(f"{line}%" for line in defined),
            rf"\begin{{tikzpicture}}[x={unit:.4g}bp,y=-{unit:.4g}bp,line cap=round,line join=round,",
            r"every node/.style={inner sep=0pt,outer sep=0pt,font=\sffamily}]",
            rf"\path[use as bounding box] (0,0) rectangle ({corner});",
            *lines,
            _FOOT,
        )
    )


# A file that is read in a document finds \@nodocument undone.
_HEAD = r"""% ABOUT
% Read with \input where TikZ is loaded; wider than the page, in \resizebox{\linewidth}{!}{...}.
% It compiles by itself too.
\expandafter\ifx\csname @nodocument\endcsname\relax
\def\netspecbegin{}\def\netspecend{}%
\else
\documentclass{article}
\usepackage{tikz}
\ifdefined\pagewidth\pagewidth=WIDTH\pageheight=HEIGHT\fi
\ifdefined\pdfpagewidth\pdfpagewidth=WIDTH\pdfpageheight=HEIGHT\fi
\paperwidth=WIDTH\paperheight=HEIGHT\hoffset=-1in\voffset=-1in
\def\netspecbegin{\setbox1\hbox\bgroup}\def\netspecend{\egroup\shipout\box1\end{document}}
\begin{document}
\fi
\netspecbegin\begingroup
% Signs to which a language of babel may give a meaning of its own have none here.
CATCODES%
% Text is set as it comes, and narrower where it would be wider than the figure has room for.
\def\netspecfit#1#2{\sbox0{#2}\ifdim\wd0>#1\relax\resizebox{#1}{\height}{\usebox0}\else\usebox0\fi}%
% A sign for fonts that may have it, and what stands for it elsewhere.
\def\netspecplain{OT1}%
\def\netspecsign#1#2{\ifdefined\directlua#1\else\ifdefined\XeTeXversion#1\else
\expandafter\ifx\csname f@encoding\endcsname\netspecplain#2\else
\ifcsname u8:\detokenize{#1}\endcsname#1\else#2\fi\fi\fi\fi}%"""
_FOOT = r"""\end{tikzpicture}%
\endgroup
\netspecend
"""
