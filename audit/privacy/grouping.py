"""Groups that authors may be compared by: few, telling of nobody, and each with enough authors.

A column of e-mail addresses named as a group would print every address as the name of one, so that
it is refused. A group of few authors would tell of each of them: such groups are counted together.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from audit.errors import ConfigError
from audit.privacy.measuring.groups import LEAST
from audit.privacy.records.values import Record

MOST: Final = 20  # groups of an axis; more of them are no groups but values
OTHER: Final = "other"
_LONGEST: Final = 40
_DIGITS: Final = 5

Groups = Mapping[str, Collection[str]]


def check_groups(groups: Groups) -> None:
    """Refuse an axis whose groups are many or look like personal values; no value is told.

    >>> check_groups({"gender": {"female", "male"}, "born": {"1980s", "1990s"}})

    Raises
    ------
    ConfigError
        If an axis has more than :data:`MOST` groups, or one that has an @, five digits or more than 40 characters.
    """
    for axis, names in groups.items():
        where, mend = f"privacy.columns.groups.{axis}", "name a column with few values, such as a region"
        if len(names) > MOST:
            raise ConfigError(f"{where}: has {len(names)} groups, and at most {MOST} can be compared; {mend}")
        if any(map(_looks_personal, names)):
            raise ConfigError(
                f"{where}: holds values that look personal (an @, {_DIGITS} digits or more, or more than {_LONGEST} "
                f"characters); {mend}"
            )


def _looks_personal(name: str) -> bool:
    plain = unicodedata.normalize("NFKC", name)
    return "@" in plain or sum(letter.isdigit() for letter in plain) >= _DIGITS or len(plain) > _LONGEST


def groups_for_comparison(
    members: Sequence[Record], held_out: Sequence[Record]
) -> tuple[tuple[Record, ...], tuple[Record, ...], list[str]]:
    """Fold groups with fewer than ten authors of both sides into :data:`OTHER`, axis by axis.

    Returns
    -------
    Members and held-out records, and what a person should know. An axis on which fewer than two
    groups are left is taken away. Groups of canaries are none of this: their guesses are fixed.
    """
    authors: dict[str, dict[str, set[str]]] = {}
    for record in (*members, *held_out):
        for axis, name in record.groups.items():
            authors.setdefault(axis, {}).setdefault(name, set()).add(record.customer or f"record {record.record_id}")
    named, notes = {}, []
    for axis, by_name in sorted(authors.items()):
        few = {name for name, found in by_name.items() if len(found) < LEAST and name != OTHER}
        kept = set(by_name) - few | ({OTHER} if few else set())
        if few:
            n = len(set().union(*(by_name[name] for name in few)))
            notes.append(
                f"{axis}: {n} {_of(n, 'author')} of {len(few)} {_of(len(few), 'group')} with fewer than {LEAST} "
                f"authors are counted as {OTHER!r}"
            )
        if len(kept) > 1:
            named[axis] = kept
        else:
            notes.append(f"{axis}: no two groups are left there, so authors are not compared by it")
    return tuple(folded(members, named)), tuple(folded(held_out, named)), notes


def folded(records: Iterable[Record], named: Groups) -> Iterator[Record]:
    """Give each record the groups that are ``named``; on its axis any other is :data:`OTHER`.

    >>> one = Record("1", "text", groups={"region": "Guam", "shoe": "41"})
    >>> [dict(record.groups) for record in folded([one], {"region": {"west", "other"}})]
    [{'region': 'other'}]
    """
    for record in records:
        groups = {axis: name if name in named[axis] else OTHER for axis, name in record.groups.items() if axis in named}
        yield record if groups == record.groups else replace(record, groups=groups)


def groups_of(authors: Iterable[Mapping[str, str]]) -> dict[str, set[str]]:
    """Axis → groups that occur.

    >>> groups_of([{"gender": "male"}, {}, {"gender": "female"}])["gender"] == {"female", "male"}
    True
    """
    found: dict[str, set[str]] = {}
    for groups in authors:
        for axis, name in groups.items():
            found.setdefault(axis, set()).add(name)
    return found


def _of(n: int, noun: str) -> str:
    return noun if n == 1 else f"{noun}s"
