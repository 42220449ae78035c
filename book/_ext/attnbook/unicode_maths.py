"""A small reader of the notation of identity cards, and two writers: MathML and SVG text.

The cards are plain Unicode, so that a notebook's output reads everywhere: ``σ(W₂ δ(W₁ GAP(x)))``,
``lₜ₊₁ ~ N(Wμ r²ₜ + bμ, τ²)``, ``3NC/2, never N²``.  The rules:

- a letter is a quantity of its own, so that ``CHW`` is a product; names of functions are known;
- small letters of three and more, and a few short words, are words of a sentence;
- raised and lowered characters belong to the letter or digit before them, and so does what
  follows ``_``, and a Greek letter right behind a Latin one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

_UPPER = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀⁱⁿˢᵗᵖᶜʰʷ", "0123456789+−Tinstpchw", strict=True))
_LOWER = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "0123456789+−aehijklmnoprstuvx", strict=True))
_FUNCTIONS = ("softmax", "sigmoid", "tanh", "exp", "log", "max", "GAP", "BN", "DTP")
_SHORT = frozenset(("of", "as", "to", "in", "or", "is", "at", "by", "on"))
_GREEK = "α-ωϕθΑ-Ω"

_TOKEN = re.compile(
    rf"(?P<space>\s+)|(?P<name>(?:{'|'.join(_FUNCTIONS)})(?![a-z])|[a-z]{{3,}}(?=\())"
    r"|(?P<word>[a-z]{2,}(?![A-Za-z_(]))|(?P<number>\d+(?:\.\d+)?½?|½)"
    rf"|(?P<letter>[A-Za-z{_GREEK}])|(?P<sign>.)"
)
_LOWERED = re.compile(r"_(?P<run>[A-Za-z]{2,}|\w)")


@dataclass(frozen=True)
class Atom:
    """A piece of a formula: ``space``, ``word``, ``name``, ``number``, ``letter`` or ``sign``."""

    kind: str
    text: str
    upper: str = ""
    lower: str = ""


def read(text: str) -> list[Atom]:
    """The pieces of ``text``, each with what stands raised and lowered behind it."""
    atoms, place = [], 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        assert found is not None, "the last form fits any character"
        kind, piece, place = str(found.lastgroup), found.group(), found.end()
        if kind == "word" and len(piece) == 2 and piece not in _SHORT:
            kind, piece, place = "letter", piece[0], found.start() + 1
        upper = lower = ""
        while kind != "space" and place < len(text):
            run = text[place]
            if run in _UPPER:
                upper, place = upper + _UPPER[run], place + 1
            elif run in _LOWER:
                lower, place = lower + _LOWER[run], place + 1
            elif run == "_" and (named := _LOWERED.match(text, place)):
                lower, place = lower + named["run"], named.end()
            elif kind == "letter" and piece.isascii() and re.match(f"[{_GREEK}]", run):
                lower, place = lower + run, place + 1
            else:
                break
        atoms.append(Atom(kind, piece, upper, lower))
    return atoms


# ---------------------------------------------------------------- MathML

#: Between two of these a line may break; a product stays in one piece.
_BREAK_BEFORE = frozenset("+−-=~")
_LONG = 13
_SIGNS = {"-": "−", "~": "∼"}
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")


def mathml(text: str) -> str:
    """``text`` with its formulas as MathML, in pieces between which a line may break."""
    out: list[str] = []
    for words, run in _runs(read(text)):
        if words:
            out.append(escape(" ".join(a.text for a in run if a.kind == "word")))
            continue
        # A comma behind a word belongs to the word.
        while out and run and run[0].text in (",", ";", ":"):
            out[-1] += run.pop(0).text
        set_pieces = ""
        for piece in _pieces(run):
            # A sign brings its own space.
            apart = "<wbr>" if piece[0].text in _BREAK_BEFORE else " "
            mathml_piece = f"<math>{''.join(map(_element, piece))}</math>"
            set_pieces += apart + mathml_piece if set_pieces else mathml_piece
        if set_pieces:
            out.append(set_pieces)
    return " ".join(out)


def _runs(atoms: list[Atom]) -> list[tuple[bool, list[Atom]]]:
    """Words and formulas in turn."""
    runs: list[tuple[bool, list[Atom]]] = []
    for atom in atoms:
        if atom.kind == "space":
            if runs:
                runs[-1][1].append(atom)
            continue
        words = atom.kind == "word"
        if not runs or runs[-1][0] != words:
            runs.append((words, []))
        runs[-1][1].append(atom)
    return runs


def _pieces(atoms: list[Atom]) -> list[list[Atom]]:
    """A formula cut where a line may break: at its own signs, and inside brackets if it is long."""
    cut: list[list[Atom]] = [[]]
    depth = 0
    for n, atom in enumerate(atoms):
        if atom.text in _CLOSE:
            depth -= 1
        inner = depth == 0 or _width(_around(atoms, n)) > _LONG
        if atom.text in _BREAK_BEFORE and inner and cut[-1]:
            cut.append([])
        cut[-1].append(atom)
        if atom.text in ",;" and inner:
            cut.append([])
        if atom.text in _OPEN:
            depth += 1
    trimmed = [[a for a in piece if a.kind != "space" or _apart(piece, a)] for piece in cut]
    return [piece for piece in trimmed if piece]


def _around(atoms: list[Atom], place: int) -> list[Atom]:
    """What stands between the brackets next around a place."""
    start, depth = place, 0
    while start > 0:
        start -= 1
        depth += (atoms[start].text in _CLOSE) - (atoms[start].text in _OPEN)
        if depth < 0:
            break
    end, depth = place, 0
    while end < len(atoms) - 1:
        end += 1
        depth += (atoms[end].text in _OPEN) - (atoms[end].text in _CLOSE)
        if depth < 0:
            break
    return atoms[start : end + 1]


def _width(atoms: list[Atom]) -> int:
    return sum(len(a.text) for a in atoms if a.kind != "space")


def _apart(piece: list[Atom], space: Atom) -> bool:
    """Whether a space parts two factors; beside a sign the sign's own space is enough."""
    place = next(i for i, atom in enumerate(piece) if atom is space)
    beside = piece[max(0, place - 1) : place] + piece[place + 1 : place + 2]
    return len(beside) == 2 and all(a.kind != "sign" or a.text in "()[]Σ" for a in beside)


def _element(atom: Atom) -> str:
    text = escape(atom.text)
    if atom.kind == "space":
        return '<mspace width="0.17em"></mspace>'
    if atom.kind == "number":
        base = f"<mn>{text}</mn>"
    elif atom.kind == "sign" and not (atom.upper or atom.lower):
        infix = ' form="infix"' if atom.text in _BREAK_BEFORE else ""
        fence = ' stretchy="false"' if atom.text in "()[]{}|" else ""
        return f"<mo{infix}{fence}>{_SIGNS.get(text, text)}</mo>"
    elif atom.text == "Σ":
        base = '<mo largeop="false" movablelimits="false">∑</mo>'
    elif atom.kind == "sign":
        fence = ' stretchy="false"' if atom.text in "()[]{}|" else ""
        base = f"<mo{fence}>{text}</mo>"
    else:
        upright = ' mathvariant="normal"' if len(text) == 1 and atom.kind == "name" else ""
        base = f"<mi{upright}>{text}</mi>"
    upper, lower = _script(atom.upper.replace("T", "⊤")), _script(atom.lower)
    if upper and lower:
        return f"<msubsup>{base}{lower}{upper}</msubsup>"
    if upper:
        return f"<msup>{base}{upper}</msup>"
    return f"<msub>{base}{lower}</msub>" if lower else base


def _script(text: str) -> str:
    """What stands raised or lowered; two letters and more in a row are a name."""
    parts = [
        f"<mo>{piece}</mo>" if piece in "+−⊤" else
        f"<mn>{piece}</mn>" if piece.isdigit() else f"<mi>{piece}</mi>"
        for piece in re.findall(r"\d+|[+−⊤]|[^\d+−⊤]+", text)
    ]  # fmt: skip
    return f"<mrow>{''.join(parts)}</mrow>" if len(parts) > 1 else "".join(parts)


# ---------------------------------------------------------------- SVG

_RAISED, _LOWERED_BY = -5, 4


def svg_text(text: str) -> str:
    """``text`` of a drawing, with what is raised and lowered in small letters of its own."""
    if not re.search(rf"_\w|[{''.join(_UPPER)}{''.join(_LOWER)}]", text):
        return escape(text)
    out, shift = "", 0
    for atom in read(text):
        for piece, level in ((atom.text, 0), (atom.upper, _RAISED), (atom.lower, _LOWERED_BY)):
            if not piece:
                continue
            move = f' dy="{level - shift}"' if level != shift else ""
            small = ' font-size="75%"' if level else ""
            out += f"<tspan{move}{small}>{escape(piece)}</tspan>" if move else escape(piece)
            shift = level
    return out
