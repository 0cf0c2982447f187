"""The first look at a file that is to be planted: its two sides, and what its rows are like."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from audit.errors import ConfigError
from audit.privacy.planting.chance import keyed_share
from audit.privacy.records import Layout, Problems, Row, read_rows

Split = Literal["customer", "record"]
OnBad = Literal["skip", "fail"]
_USERS: Final = ("user", "human", "customer", "client", "buyer", "用户", "客户", "顾客", "买家")
_SYSTEM: Final = ("system", "developer", "tool", "function")


@dataclass(frozen=True, slots=True)
class Sides:
    """Which rows are held out: by customer where there is one, so that nobody stands on both sides."""

    share: Callable[[bytes], float]
    held_out: float
    customer: str | None

    def is_held_out(self, row: Row) -> bool:
        """Whether the row is kept from the training; the same row always gets the same answer."""
        who = word(row.data.get(self.customer)) if self.customer is not None else None
        key = f"row {row.number}" if who is None else f"customer {who}"
        return self.share(key.encode("utf-8", "surrogatepass")) < self.held_out


def draw_sides(layout: Layout, split: Split, held_out: float, seed: int | None) -> Sides:
    """Draw the sides of one random split, before a row is read: a share ``held_out`` is kept from the training."""
    return Sides(keyed_share(seed, "sides"), held_out, layout.customer if split == "customer" else None)


@dataclass(slots=True)
class Survey:
    """What the first pass over a file found.

    ``rows`` counts every row, ``records`` those with a text, ``once`` those whose text stands nowhere else in the
    file: [training, held out]. ``examples`` holds a value of the id and customer columns, ``largest`` their
    largest whole number. ``roles`` are the customer's and the shop's, in chats.
    """

    rows: list[int] = field(default_factory=lambda: [0, 0])
    records: list[int] = field(default_factory=lambda: [0, 0])
    once: list[int] = field(default_factory=lambda: [0, 0])
    unknown: int = 0  # rows without a customer
    examples: dict[str, Any] = field(default_factory=dict)
    largest: dict[str, int] = field(default_factory=dict)
    roles: tuple[str, str] | None = None


def survey(path: Path, layout: Layout, sides: Sides, *, on_bad: OnBad, problems: Problems) -> Survey:
    """Read ``path`` once; 8 bytes a row are remembered.

    Raises
    ------
    ConfigError
        If it cannot be read, at the first bad line if asked, or if no row has a text.
    """
    found, texts = Survey(), (array("Q"), array("Q"))
    for row in read_rows(path, on_bad=on_bad, problems=problems):
        held = sides.is_held_out(row)
        found.rows[held] += 1
        key = text_key(row.data, layout)
        if key is not None:
            found.records[held] += 1
            texts[held].append(key)
        if layout.customer is not None and word(row.data.get(layout.customer)) is None:
            found.unknown += 1
        for column in (layout.id, layout.customer):
            if column is not None:
                _learn(found, column, row.data.get(column))
        if layout.turns is not None and found.roles is None:
            found.roles = _roles(row.data.get(layout.turns))
    if not any(found.records):
        raise ConfigError(f"{path}: no record with a text in it; mend the file, or name its columns")
    found.once = _once(*texts)
    return found


def _once(*sides: array[int]) -> list[int]:
    """How many texts of each side stand nowhere else, on neither side.

    >>> _once(array("Q", [1, 2, 2, 3]), array("Q", [3, 4]))
    [1, 1]
    """
    keys, counts = np.unique(np.concatenate([np.array(side, np.uint64) for side in sides]), return_counts=True)
    alone = keys[counts == 1]
    return [int(np.isin(np.array(side, np.uint64), alone).sum()) for side in sides]


def text_key(data: Mapping[str, Any], layout: Layout) -> int | None:
    """Return an 8-byte hash of what a row says, None where it says nothing.

    >>> layout = Layout("columns", text=("title", "text"))
    >>> text_key({"text": "Good."}, layout) == text_key({"title": None, "text": "Good.", "stars": 5}, layout)
    True
    """
    columns = (layout.turns,) if layout.turns is not None else layout.text
    said = [value for column in columns if (value := data.get(column)) and not str(value).isspace()]
    if not said:
        return None
    text = json.dumps(said, ensure_ascii=False, sort_keys=True, default=str)
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def word(value: Any) -> str | None:
    """Return a value as a word, None where there is none.

    >>> word(" A17 "), word(17), word(""), word(float("nan"))
    ('A17', '17', None, None)
    """
    if value is None or value != value:
        return None
    return str(value).strip() or None


def turns_of(value: Any) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """The turns of a chat: the names under which it keeps role and content, and the turn."""
    for turn in value if isinstance(value, list) else ():
        if isinstance(turn, Mapping):
            role = "role" if "role" in turn or "from" not in turn else "from"
            content = "content" if "content" in turn or "value" not in turn else "value"
            yield role, content, turn


def _learn(found: Survey, column: str, value: Any) -> None:
    if value is None or isinstance(value, bool):
        return
    found.examples.setdefault(column, value)
    if isinstance(value, int):
        found.largest[column] = max(value, found.largest.get(column, value))


def _roles(turns: Any) -> tuple[str, str] | None:
    """The customer's and the shop's role in a chat that has both; None in any other."""
    roles = [turn[role] for role, _, turn in turns_of(turns) if isinstance(turn.get(role), str)]
    roles = [role for role in dict.fromkeys(roles) if role.lower() not in _SYSTEM]
    if len(roles) < 2:
        return None
    user = next((role for role in roles if role.lower() in _USERS), roles[0])
    return user, next(role for role in roles if role != user)
