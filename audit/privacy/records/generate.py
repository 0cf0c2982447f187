"""Records of made-up customers, in which every identifier is known."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from string import Formatter
from typing import Any, Final

from audit.errors import ConfigError
from audit.privacy.records.customers import Customer, customers
from audit.privacy.records.decks import rounds
from audit.privacy.records.layouts import AXES, LAYOUTS, Layout
from audit.privacy.records.rows import kind_of, write_rows
from audit.privacy.records.values import IDENTIFIER_TYPES, Record, encodable, record_id

SHIPPED: Final = Path(__file__).parent
# What stands for each type in a frame.
SLOTS: Final = {
    "name": "PERSON",
    "email": "EMAIL_ADDRESS",
    "phone": "PHONE_NUMBER",
    "address": "STREET_ADDRESS",
    "order": "ORDER_NUMBER",
    "gift": "GIFT_CARD",
    "loyalty": "LOYALTY_NUMBER",
    "id": "CN_ID",
    "plate": "CN_PLATE",
}
# A sentence up to this many characters may be followed by a second one: records stay short.
_SHORT: Final = {"en": 45, "zh": 10}


def generate(n: int, *, locale: str = "en", seed: int = 0, texts: Iterable[str] | None = None) -> Iterator[Record]:
    """Make ``n`` records of shop life: tickets, notes, signed reviews, chats, slips.

    Each is of a customer of its own (see :mod:`.customers`), says one or two sentences of a review
    and holds three to five identifiers. Groups, frames and sentences are dealt evenly. The same
    arguments give the same records (with the same Faker), and the first records do not depend on ``n``.
    To have members and held-out records, make both at once and split them at random.

    Parameters
    ----------
    texts
        Review sentences in place of the shipped ones, one a line; a tab and what follows it are dropped.

    Raises
    ------
    ConfigError
        If the locale is not known, there is no sentence, or Faker is not installed.
    """
    people = customers(locale, seed)
    sentences = _lines(SHIPPED / "texts" / f"{locale}.txt") if texts is None else sentences_of(texts)
    frames = [line.replace("⏎", "\n") for line in _lines(SHIPPED / "frames" / f"{locale}.txt")]
    return _records(islice(people, n), sentences, frames, locale, random.Random(f"texts {locale} {seed}"))


def sentences_of(lines: Iterable[str]) -> list[str]:
    r"""The distinct sentences of a file with one a line, without labels and without a header.

    >>> sentences_of(["reviews\tlabel", "Works.\t1", "", "Broke at once.\t0", "Works."])
    ['Works.', 'Broke at once.']

    Raises
    ------
    ConfigError
        If there is none.
    """
    parts = [tuple(" ".join(part.split()) for part in line.partition("\t")[::2]) for line in lines]
    labels = [label for _, label in parts[:2]]
    if len(labels) == 2 and labels[0] and not _is_number(labels[0]) and _is_number(labels[1]):
        parts = parts[1:]
    sentences = list(dict.fromkeys(encodable(sentence) for sentence, _ in parts if sentence))
    if not sentences:
        raise ConfigError("texts: there is no sentence in it; write one a line")
    return sentences


def write_records(records: Iterable[Record], path: Path) -> Path:
    """Write records with the columns id, customer, text, one for each axis and one for each identifier.

    :func:`generated_layout` reads them back as they were; ``path`` is best a .jsonl.

    Raises
    ------
    ConfigError
        If the file cannot be written or is of an unknown kind.
    """
    columns = ("id", "customer", "text", *AXES, *(kind.lower() for kind in IDENTIFIER_TYPES))
    return write_rows(path, map(_row, records), None if kind_of(path) == "json" else columns)


def generated_layout() -> Layout:
    """The layout of what :func:`write_records` writes."""
    return LAYOUTS["generated"]


def _records(
    people: Iterable[Customer], sentences: list[str], frames: list[str], locale: str, chance: random.Random
) -> Iterator[Record]:
    reviews, forms = rounds(sentences, chance), rounds(frames, chance)
    between = "" if locale == "zh" else " "
    for person in people:
        frame, review = next(forms), next(reviews)
        if len(review) <= _SHORT[locale] and chance.random() < 0.5:
            review += between + next(reviews)
        slots = {slot for _, slot, _, _ in Formatter().parse(frame) if slot and slot != "review"}
        known = {kind: person.identifiers[kind] for slot, kind in SLOTS.items() if slot in slots}
        values = {slot: known[SLOTS[slot]] for slot in slots}
        text = frame.format(review=review, **values)
        yield Record(record_id(text, person.customer), text, person.customer, person.groups, known)


def _row(record: Record) -> dict[str, Any]:
    known = {kind.lower(): value for kind, value in record.identifiers.items()}
    return {"id": record.record_id, "customer": record.customer, "text": record.text, **record.groups, **known}


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _is_number(label: str) -> bool:
    return label.lstrip("+-").replace(".", "", 1).isdigit()
