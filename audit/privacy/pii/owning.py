"""Whose a value is: the customers of all members, numbered as they come, and those who hold what was emitted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from audit import tables
from audit.privacy.pii.searching import Index, Key, key_of

if TYPE_CHECKING:
    from audit.privacy.records.values import Record

# Customers that are noted of a value. Two are enough to know that it is nobody's own.
OWNERS: Final = 10

Labels = frozenset[tuple[str, str]]


class Customers:
    """Customers in the order in which they come, each with the groups that its records name.

    Only numbers go out: a customer's own id stays here.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._labels: list[Labels] = []
        self._shared: dict[Labels, Labels] = {}  # a few sets for all customers: there may be a million

    def number(self, record: Record) -> int:
        """The number of a record's customer; a record of an unknown one is a customer by itself."""
        name = f"customer {record.customer}" if record.customer is not None else f"record {record.record_id}"
        number = self._numbers.setdefault(name, len(self._numbers))
        known = self._labels[number] if number < len(self._labels) else frozenset()
        labels = known | frozenset(record.groups.items())
        labels = self._shared.setdefault(labels, labels)
        if number == len(self._labels):
            self._labels.append(labels)
        self._labels[number] = labels
        return number

    def table(self, owners: Collection[int]) -> pa.Table:
        """The table ``customers``: how many there are, in all and by group, and which of them are ``owners``."""
        totals: Counter[tuple[str | None, str | None]] = Counter()
        for labels, count in Counter(self._labels).items():
            totals.update(dict.fromkeys(((None, None), *labels), count))
        held: dict[tuple[str | None, str | None], list[int]] = {place: [] for place in totals}
        for owner in sorted(owners):
            for place in ((None, None), *self._labels[owner]):
                held[place].append(owner)
        rows: list[dict[str, Any]] = [
            {"axis": axis, "group": group, "customers": totals[axis, group], "owners": held[axis, group]}
            for axis, group in sorted(totals, key=lambda place: (place[0] or "", place[1] or ""))
        ]
        return tables.check("customers", tables.from_rows("customers", rows))


def owners_of(keys: Collection[Key], members: Iterable[Record]) -> tuple[dict[Key, list[int]], pa.Table]:
    """Value to the first customers that hold it, and the table ``customers`` of all members.

    A member holds a value in its text, or among what is known of its author.
    """
    index, customers = Index(keys), Customers()
    owners: dict[Key, list[int]] = {}
    for record in members:
        number = customers.number(record)
        held = index.inside(record.text)
        if keys:
            held |= {key for key in (key_of(*known) for known in record.identifiers.items()) if key in keys}
        for key in held:
            listed = owners.setdefault(key, [])
            if number not in listed and len(listed) < OWNERS:
                listed.append(number)
    return owners, customers.table({owner for listed in owners.values() for owner in listed})
