"""Rows to records: the text, its author, and what is known of both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from audit.errors import ConfigError
from audit.privacy.records.layouts import Layout
from audit.privacy.records.lines import LIMIT
from audit.privacy.records.problems import (
    BLANK_TEXT,
    DUPLICATE,
    EMPTY_TEXT,
    MISSING_TEXT,
    NOT_A_WORD,
    NOT_TEXT,
    NOT_TURNS,
    NULL_BYTE,
    REPEATED,
    TOO_LONG,
    OnBad,
    Problems,
    Report,
    reporter,
)
from audit.privacy.records.rows import read_rows
from audit.privacy.records.values import Record, encodable, record_id, stands_in


def read_records(
    path: Path,
    layout: Layout,
    *,
    on_bad: OnBad = "fail",
    problems: Problems | None = None,
    known: AbstractSet[str] = frozenset(),
    repeats: Literal["bad", "kept"] = "bad",
) -> Iterator[Record]:
    """Stream the records of ``path``.

    Of each record eight bytes are remembered, to find ids that stand twice, unless ``repeats`` are "kept": then
    whether a record is read depends on no other.

    Parameters
    ----------
    layout
        Which column holds what, from :func:`~audit.privacy.records.find_layout`.
    on_bad
        "fail": the first line that is no record is an error. "skip": it is left out and counted.
    problems
        Where bad lines are counted.
    known
        Texts such as planted canaries: a record with one of them as a line or a turn is passed over,
        however often it stands there.

    Raises
    ------
    ConfigError
        If the file cannot be read, at the first bad line if asked, or if no line is a record.
    """
    path = Path(path)
    problems = problems if problems is not None else Problems()
    report = reporter(path, on_bad, problems)
    return _records(path, layout, on_bad, problems, report, known, repeats)


def read_texts(path: Path, layout: Layout, *, known: AbstractSet[str] = frozenset()) -> Iterator[str]:
    """Stream the texts of all records of ``path``, those too that :func:`read_records` leaves out as repeated.

    Bad lines are passed over: whoever reads the records is told of them. ``known`` is as there.

    Raises
    ------
    ConfigError
        If the file cannot be read.
    """
    for row in read_rows(Path(path), on_bad="skip"):
        with suppress(_Bad):
            record, _ = _record(row.data, layout)
            if not _says(record, known):
                yield record.text


def group_counts(records: Iterable[Record]) -> dict[str, dict[str, int]]:
    """For each axis, how many records each group has.

    >>> group_counts([Record("1", "a", groups={"gender": "female"}), Record("2", "b", groups={"gender": "male"})])
    {'gender': {'female': 1, 'male': 1}}
    """
    counts: dict[str, dict[str, int]] = {}
    for record in records:
        for axis, group in record.groups.items():
            of_axis = counts.setdefault(axis, {})
            of_axis[group] = of_axis.get(group, 0) + 1
    return counts


def groups_with_one_value(counts: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    """The axes on which nothing can be compared, each with its only group.

    >>> groups_with_one_value({"gender": {"female": 3, "male": 2}, "region": {"north": 5}})
    {'region': 'north'}
    """
    return {axis: next(iter(groups)) for axis, groups in counts.items() if len(groups) == 1}


class _Bad(Exception):
    """A row that is no record, with the reason."""


def _records(
    path: Path,
    layout: Layout,
    on_bad: OnBad,
    problems: Problems,
    report: Report,
    known: AbstractSet[str],
    repeats: Literal["bad", "kept"],
) -> Iterator[Record]:
    seen: set[bytes] = set()
    good = False
    for row in read_rows(path, on_bad=on_bad, problems=problems):
        try:
            record, key = _record(row.data, layout)
            if _says(record, known):
                continue
            if repeats == "bad":
                digest = hashlib.blake2b(repr(key).encode("utf-8", "replace"), digest_size=8).digest()
                if digest in seen:
                    raise _Bad(DUPLICATE if len(key) == 1 else REPEATED)
                seen.add(digest)
        except _Bad as bad:
            report(row.number, str(bad))
            continue
        good = True
        yield record
    if not good:
        why = "; ".join(problems.lines()) or "it is empty"
        raise ConfigError(f"{path}: no record in it ({why}); mend the file, or name its columns")


def _says(record: Record, known: AbstractSet[str]) -> bool:
    """Whether a line or a turn of the record is one of ``known``."""
    if not known:
        return False
    said = (*record.text.splitlines(), *(content for _, content in record.turns))
    return not known.isdisjoint(said)


def _record(data: Mapping[str, Any], layout: Layout) -> tuple[Record, tuple[str, ...]]:
    turns = _turns(data.get(layout.turns)) if layout.turns is not None else ()
    text = "\n".join(f"{role}: {content}" for role, content in turns) if turns else _text(data, layout.text)
    own, customer = _word(data, layout.id), _word(data, layout.customer)
    groups = {axis: word for axis, column in layout.groups.items() if (word := _word(data, column))}
    known = {kind: word for kind, column in layout.identifiers.items() if (word := _word(data, column))}
    identifiers = {kind: value for kind, value in known.items() if stands_in(value, text)}
    record = Record(record_id(text, customer, own), text, customer, groups, identifiers, turns)
    return record, (own,) if own else (customer or "", text)


def _text(data: Mapping[str, Any], columns: tuple[str, ...]) -> str:
    given = [value for column in columns if not _is_missing(value := data.get(column))]
    if not given:
        raise _Bad(MISSING_TEXT)
    parts = [_checked(value) for value in given]
    if not any(parts):
        raise _Bad(EMPTY_TEXT)
    text = "\n".join(part for part in parts if part.strip())
    if not text:
        raise _Bad(BLANK_TEXT)
    return text


def _turns(value: Any) -> tuple[tuple[str, str], ...]:
    if _is_missing(value):
        raise _Bad(MISSING_TEXT)
    if not isinstance(value, list) or not all(isinstance(turn, dict) for turn in value):
        raise _Bad(NOT_TURNS)
    turns = []
    for turn in value:
        role, content = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
        if not isinstance(role, str):
            raise _Bad(NOT_TURNS)
        if content is None:  # a call of a tool says nothing
            continue
        if isinstance(content, list):  # parts, of which those of another kind than text are no text
            content = "\n".join(
                part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
            )
        if (words := _checked(content)).strip():
            turns.append((encodable(role), words))
    if not turns:
        raise _Bad(EMPTY_TEXT)
    return tuple(turns)


def _checked(value: Any) -> str:
    if not isinstance(value, str):
        raise _Bad(NOT_TEXT)
    if "\0" in value:
        raise _Bad(NULL_BYTE)
    if len(value) > LIMIT:
        raise _Bad(TOO_LONG)
    return encodable(value)


def _word(data: Mapping[str, Any], column: str | None) -> str | None:
    """A word or number as text; None where there is none."""
    value = data.get(column) if column is not None else None
    if _is_missing(value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of whole numbers with a gap in it is kept as reals
    if isinstance(value, str | int | float):
        return encodable(str(value)).strip() or None
    raise _Bad(NOT_A_WORD)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)
