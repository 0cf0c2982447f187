"""A canary as a row of the file: another row's fields, with all that tells who wrote it or what it says exchanged."""

from __future__ import annotations

import random
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from audit.privacy.planting.canaries import Canary
from audit.privacy.planting.ledger import Chat
from audit.privacy.planting.survey import Survey, turns_of
from audit.privacy.records import Layout

# Characters of an invented id: long enough that nobody has it already.
_LENGTH: Final = 12


@dataclass(frozen=True, slots=True)
class PlantedRow:
    """A canary's row to come: which canary, and the values of its id and customer columns."""

    canary: Canary
    fields: Mapping[str, Any]

    def like(self, donor: Mapping[str, Any], layout: Layout, chat: Chat | None) -> dict[str, Any]:
        """Return the row, with the fields of ``donor`` that say nothing of a person."""
        row = dict(donor)
        for axis, column in layout.groups.items():
            group = self.canary.groups.get(axis)
            row |= _blank(donor, column, group) if isinstance(donor.get(column), str) else _blank(donor, column)
        for column in (*layout.identifiers.values(), *layout.text):
            row |= _blank(donor, column)
        row |= {column: value for column, value in self.fields.items() if column in donor or value is not None}
        if layout.turns is not None and chat is not None:
            row[layout.turns] = _turns(donor.get(layout.turns), self.canary.text, chat)
        else:
            row[layout.text[-1]] = self.canary.text  # the last is the body; a title stays empty
        return row


def planted_rows(
    canaries: Sequence[Canary], repeats: int, layout: Layout, found: Survey, chance: random.Random
) -> list[PlantedRow]:
    """Give each canary an invented customer, and each of its ``repeats`` rows an id, that nobody has."""
    rows: list[PlantedRow] = []
    for canary in canaries:
        customer = _fresh(layout.customer, found, len(rows) + 1, chance)
        for _ in range(repeats):
            rows.append(PlantedRow(canary, customer | _fresh(layout.id, found, len(rows) + 1, chance)))
    return rows


def _fresh(column: str | None, found: Survey, number: int, chance: random.Random) -> dict[str, Any]:
    if column is None:
        return {}
    example = found.examples.get(column)
    if isinstance(example, str):
        return {column: fresh_word(example, chance)}
    return {column: found.largest[column] + number if column in found.largest else None}


def fresh_word(like: str, chance: random.Random) -> str:
    """Return a word of the same make as ``like``, digit for digit and letter for letter, of 12 characters or more.

    >>> fresh_word("C17", random.Random(1)), fresh_word("a3f-77", random.Random(1))
    ('E91417776317', 'e9z-41777631')
    """
    pools = [next((pool for pool in _POOLS if sign in pool), sign) for sign in like] or [string.digits]
    pools += [string.digits] * (_LENGTH - len(pools))
    return "".join(chance.choice(pool) for pool in pools)


_POOLS: Final = (string.digits, string.ascii_lowercase, string.ascii_uppercase)


def _blank(donor: Mapping[str, Any], column: str, value: str | None = None) -> dict[str, Any]:
    """``column`` without what it says of the donor; a column that the donor lacks stays away."""
    if column not in donor:
        return {}
    return {column: (value or "") if isinstance(donor[column], str) else None}


def _turns(donor: Any, text: str, chat: Chat) -> list[dict[str, Any]]:
    role, content, example = next(turns_of(donor), ("role", "content", {}))

    def said(words: str) -> Any:
        return [{"type": "text", "text": words}] if isinstance(example.get(content), list) else words

    return [{role: chat.user, content: said(text)}, {role: chat.assistant, content: said(chat.reply)}]
