"""A text to be read, and the stretches of it that are asked about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch [``start``, ``end``) of a passage's text, in characters; names may stand more than once."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Passage:
    """A text that a model reads whole.

    With ``turns``, pairs of role and content, and a tokenizer that has a chat template,
    the model reads the turns as the template writes them. ``text`` then holds the same
    contents in the same order, and ``spans`` are places in it all the same.
    """

    passage_id: str
    text: str
    spans: tuple[Span, ...] = ()
    turns: tuple[tuple[str, str], ...] = ()
