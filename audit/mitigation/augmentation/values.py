"""What is changed in a text, and the copy that comes of it."""

from __future__ import annotations

from dataclasses import dataclass

Change = tuple[str, str, str]  # the axis, the group that the text carried, the group that the copy carries


@dataclass(frozen=True, slots=True)
class Copy:
    """A counterfactual copy of a record.

    ``turns`` are those of a chat; ``text`` then holds them as "role: content" lines. ``changes`` are the distinct
    changes: of gender often both ways, since in a text that speaks of two people they change places.
    """

    text: str
    turns: tuple[tuple[str, str], ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """Characters ``start`` to ``end`` become ``text``; ``change`` is None where grammar alone asks for it."""

    start: int
    end: int
    text: str
    change: Change | None
