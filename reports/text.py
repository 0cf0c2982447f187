"""Hostile text made harmless to look at, and word diffs.

A completion may hold anything. Characters that draw nothing, move the cursor or turn
the reading direction are shown as their code point; escaping for HTML or Markdown is
the writer's business and comes after.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal

_KEEP = frozenset("\n\t\u200c\u200d")  # the joiners are ordinary spelling in many scripts and in emoji
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_WORDS = re.compile(r"\u27e8U\+[0-9A-F]+\u27e9|\s+|[^\W_]+(?:['\u2019][^\W_]+)*|.", re.DOTALL)
# Characters that mean something wherever they stand; brackets that could become a link or a
# footnote, underscores outside a word, and what could begin HTML or an entity.
_MARKDOWN = re.compile(r"[\\`*#|~$]|(?<=\])[(\[:]|\](?=$)|(?<![^\W_])_|_(?![^\W_])|<(?=[A-Za-z/!?])|&(?=[#\w])")
# What at the beginning could become a list, a heading's line, a rule or a quotation.
_LEADING = re.compile(r"^\d*[.)+](?=\s|$)|^[-=>]")


def visible(text: str) -> str:
    r"""Return ``text`` with control, format and unassigned characters written out.

    >>> visible("a\u202eb\x1b[31m")
    'a⟨U+202E⟩b⟨U+001B⟩[31m'
    >>> visible("two\nlines\ud800")
    'two\nlines⟨U+D800⟩'
    """
    text = text.replace("\r\n", "\n")
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def visible_all(value: Any) -> Any:
    """Apply :func:`visible` to every string in nested lists, tuples and dictionaries, keys included."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible_all(key): visible_all(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(visible_all(item) for item in value)
    return value


def _shown(character: str) -> str:
    if character in _KEEP or unicodedata.category(character) not in _HIDDEN:
        return character
    return f"\u27e8U+{ord(character):04X}\u27e9"


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text: the same on both sides, or on the left or right side only."""

    where: Literal["both", "left", "right"]
    text: str


def diff(left: str, right: str) -> tuple[Piece, ...]:
    """Return the word diff of two texts.

    >>> [(piece.where, piece.text) for piece in diff("Dear Ann, yes", "Dear Bo, yes")]
    [('both', 'Dear '), ('left', 'Ann'), ('right', 'Bo'), ('both', ', yes')]
    """
    a, b = _WORDS.findall(left), _WORDS.findall(right)
    pieces: list[Piece] = []
    only = ["", ""]

    def flush() -> None:
        pieces.extend(Piece(where, text) for where, text in zip(("left", "right"), only, strict=True) if text)  # type: ignore[arg-type]
        only[:] = ["", ""]

    codes = difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    for i, (tag, a1, a2, b1, b2) in enumerate(codes):
        same = "".join(a[a1:a2])
        # A blank or comma between two changes is no common ground: the change is one.
        if tag == "equal" and not (0 < i < len(codes) - 1 and not any(letter.isalnum() for letter in same)):
            flush()
            pieces.append(Piece("both", same))
        else:
            only[0] += same
            only[1] += "".join(b[b1:b2])
    flush()
    return tuple(pieces)


def markdown(text: str) -> str:
    r"""Return ``text`` as literal Markdown on one line: no markup, link, mention or HTML survives.

    Only what Markdown would read as markup is escaped, so that the text is also legible as it stands.

    >>> markdown("[x](javascript:1) <b> | @all")
    '[x]\\(javascript:1) \\<b> \\| @\u200call'
    >>> markdown("+0.07 [-0.02, 0.16] (p < .001) on refund_decision")
    '+0.07 [-0.02, 0.16] (p < .001) on refund_decision'
    """
    text = " ".join(visible(text).split())
    text = _MARKDOWN.sub(lambda found: f"\\{found[0]}", text)
    text = text.replace("://", "\\://").replace("www.", "www\\.").replace("@", "@\u200c")
    return _LEADING.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", text)
