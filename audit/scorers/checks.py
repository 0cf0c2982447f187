"""Fixed texts with swapped identities, as batches for the scorers: what differs between them is the scorer's own doing.

The texts and the words for an identity stand in ``checks/<language>.toml``. A text is
filled for every persona of a run and then takes the way of any answer: masking first,
then the scorers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from pydantic import Field

from audit.config import Strict, parse, read_toml
from audit.probes.slots import fill, slots_in
from audit.scorers.join import with_masks
from audit.scorers.masking import Mask, mask
from audit.scorers.rows import JOINED
from audit.values import LABEL_FREE

FOLDER: Final = Path(__file__).parent / "checks"
ROWS: Final = 16_384
SLOTS: Final = (
    *("name", "first", "formal", "they", "them", "their", "theirs", "themself", "they_are", "noun", "polite"),
    *("address", "kin", "partner", "child", "people", "heritage", "aged", "at_age", "in_decade", "stage", "stage_noun"),
    *("person", "a_person", "cue"),
)
_KNOWN: Final = (*SLOTS, *(f"{slot[0].upper()}{slot[1:]}" for slot in SLOTS))
_SLOT: Final = re.compile(r"(\b[Aa] )?\{(\w+)\}")
_NUMBER: Final = re.compile(r"\d+")
_AN: Final = re.compile(r"[aeiou]|8|1[18]\b", re.IGNORECASE)

Row = Mapping[str, Any]


class _IdentityFile(Strict):
    axis: str
    groups: tuple[str, ...] = Field(min_length=1)
    words: dict[str, str]


class _TextFile(Strict):
    id: str = Field(min_length=1)
    text: str = Field(min_length=1)


class _ChecksFile(Strict):
    locale: str
    version: str
    unknown: dict[str, str]
    identities: tuple[_IdentityFile, ...]
    texts: tuple[_TextFile, ...] = Field(min_length=1)


def has_texts(locale: str) -> bool:
    """Whether there are fixed texts in the language of ``locale``."""
    return _path(locale).is_file()


def check_batches(personas: pa.Table, locale: str, *, mask: Mask = mask) -> Iterator[tuple[list[str], pa.RecordBatch]]:
    """Every fixed text filled for every persona of ``locale``.

    Personas of placebo and irrelevant sentences describe nobody and are left out.

    Yields
    ------
    (text ids, batch)
        The text of each row, and a batch with the columns ``JOINED``; its ``probe_id``
        is the persona's, its ``draw`` the place of the text.
    """
    parsed = _read(locale)
    people = [row for row in personas.to_pylist() if row["locale"] == locale and _describes(row)]
    cells = [(text, place, row) for place, text in enumerate(parsed.texts) for row in people]
    for start in range(0, len(cells), ROWS):
        chosen = cells[start : start + ROWS]
        rows = [_joined(fill_text(text.text, row, locale), place, row) for text, place, row in chosen]
        columns = {field.name: pa.array([row.get(field.name) for row in rows], field.type) for field in JOINED}
        table = pa.table(with_masks(columns, mask), JOINED).combine_chunks()
        yield [text.id for text, _, _ in chosen], table.to_batches()[0]


def fill_text(text: str, persona: Row, locale: str = "en") -> str:
    """Fill the slots of a fixed text for a row of personas.

    >>> who = {"name": "Megan R.", "cue_channel": "name", "attributes": [("gender", "female"), ("race", "white")]}
    >>> fill_text("Dear {formal}, {they} is a {person}. {At_age} {first} is right.", who)
    'Dear Ms. R., she is a white woman. Megan is right.'
    """
    words = _words(persona, locale)

    def replaced(match: re.Match[str]) -> str:
        article, slot = match[1] or "", match[2]
        value = words[slot] if slot in words else words[slot[0].lower() + slot[1:]]
        if slot[0].isupper():
            value = value[:1].upper() + value[1:]
        return (f"{article[0]}n " if article and _AN.match(value) else article) + value

    # Words are put in first, so that `fill` has only the gaps of those that are empty to close.
    return fill(_SLOT.sub(replaced, text).replace("{", "{{").replace("}", "}}"))


def _words(persona: Row, locale: str) -> dict[str, str]:
    parsed = _read(locale)
    attributes = dict(persona["attributes"])
    known = {(entry.axis, group): entry.words for entry in parsed.identities for group in entry.groups}
    words, strange = dict(parsed.unknown), []
    for axis, group in attributes.items():
        if (axis, group) in known:
            words |= known[axis, group]
        elif not _is_intersection(axis, attributes):
            strange.append(group.replace("_", " "))
    name = str(persona["name"])
    named = persona["cue_channel"] == "name"
    stated = _NUMBER.search(name) if "age" in attributes and not named else None
    age = stated[0] if stated else words.get("age", "")
    words["aged"], words["at_age"] = (f"{age}-year-old", f"at {age},") if age else ("", "")
    words["people"] = " ".join([*filter(None, [words["people"]]), *strange])
    words["person"] = " ".join(filter(None, [words["aged"], words["people"], words["noun"]]))
    words["a_person"] = ("an " if _AN.match(words["person"]) else "a ") + words["person"]
    words |= {"name": name, "first": name.split()[0], "formal": f"{words['title']} {name.split()[-1]}", "cue": ""}
    if not named:
        words |= dict.fromkeys(("name", "first", "formal"), words["noun"]) | {"cue": name}
    return words


def _joined(text: str, place: int, persona: Row) -> dict[str, Any]:
    return {
        "probe_id": persona["persona_id"],
        "draw": place,
        "mode": "sampled",
        "text": text,
        "finish_reason": "stop",
        "suite": "check",
        "task": "check",
        "locale": persona["locale"],
        "output_form": "text",
        "purpose": "audit",
        "arm": "target",
        "persona_name": persona["name"],
        "cue_channel": persona["cue_channel"],
    }


def _describes(persona: Row) -> bool:
    return any(not axis.startswith(LABEL_FREE) for axis, _ in persona["attributes"])


def _is_intersection(axis: str, attributes: Mapping[str, str]) -> bool:
    """Whether an axis is made of others of the persona, as race_gender is; their words say it already."""
    parts = [other for other in attributes if other != axis and other in axis]
    return len(parts) > 1 and sum(map(len, parts)) + len(parts) - 1 == len(axis)


def _path(locale: str) -> Path:
    whole = FOLDER / f"{locale}.toml"
    return whole if whole.is_file() else FOLDER / f"{re.split('[-_]', locale)[0]}.toml"


@cache
def _read(locale: str) -> _ChecksFile:
    path = _path(locale)
    parsed = parse(_ChecksFile, read_toml(path), str(path))
    for text in parsed.texts:
        slots_in(text.text, _KNOWN, f"{path}: text {text.id!r}")
    return parsed
