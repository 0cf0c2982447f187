"""What a person should know of a plant before trusting what is measured with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from audit.privacy.planting.ledger import Ledger
from audit.privacy.planting.survey import Survey
from audit.privacy.records import Layout, Problems, columns_of
from audit.privacy.records.column_names import told
from audit.privacy.records.delimited import read_header
from audit.privacy.records.rows import kind_of

ENOUGH: Final = 1000  # records held out: of fewer, the rate of hits at 1 % false alarms says little
_FAR: Final = 0.25  # of the share that was asked for
_MANY: Final = 0.05  # planted rows, of all rows of the training file
_NAMED: Final = 8


def notes_on(ledger: Ledger, found: Survey, asked: float) -> Iterator[str]:
    """One line for each thing about a plant that weakens what can be measured with it."""
    if ledger.seed is not None:
        yield f"the coins come from seed {ledger.seed}: whoever trains must not know it, or ε says nothing"
    if ledger.repeats > 1:
        many = f"each canary stands {ledger.repeats} times"
        yield f"{many}: exposure can be measured, ε of one record cannot (it would be group privacy); plant once for it"
    if ledger.split == "customer" and ledger.layout.customer is None:
        yield "no customer column: split by record, and one customer may stand on both sides"
    elif ledger.split == "customer" and found.unknown:
        yield f"{_of(found.unknown, 'row')} without a customer: split by record, as customers of their own"
    elif ledger.split == "record" and ledger.layout.customer is not None:
        yield "split by record: one customer may stand on both sides"
    again = [records - once for records, once in zip(found.records, found.once, strict=True)]
    if any(again):
        yield (
            f"{_of(again[0], 'record')} to train on and {again[1]:,} held out say what another record says: "
            "the audit compares none of them"
        )
    if found.once[1] < ENOUGH:
        few = f"{_of(found.once[1], 'record')} held out{' that no other repeats' if any(again) else ''}"
        few += f", fewer than {ENOUGH:,}"
        yield f"{few}: too few for the true positive rate at a false positive rate of 1 %"
    share = found.records[1] / sum(found.records)
    if abs(share - asked) > _FAR * asked:
        why = " (a customer's records stay together)" if ledger.split == "customer" else ""
        yield f"{share:.1%} of the records fell on the held-out side, {asked:.1%} were asked for{why}"
    planted = ledger.repeats * sum(bool(canary.inserted) for canary in ledger.canaries)
    if (part := planted / (planted + found.rows[0])) > _MANY:
        yield f"{part:.0%} of the training file is canaries: the model may come to write like them"


def problems_of(path: Path, problems: Problems) -> Iterator[str]:
    """The lines that were left out, where any was."""
    yield from (f"{path.name}: {line}" for line in problems.lines())


def copied(path: Path, layout: Layout) -> Iterator[str]:
    """What planted rows carry of other rows, and how fields are parted where that is not as it was."""
    columns = columns_of(path)
    others = [column for column in columns if column not in layout.columns]
    if others:
        shown = told(others, _NAMED, of=columns)
        yield f"planted rows carry other rows' {shown}; where one is about a person, name it among the identifiers"
    if kind_of(path) == "csv":
        parted = read_header(path)[1]
        wanted = "\t" if ".tsv" in path.suffixes else ","
        if parted != wanted:
            yield f"fields stand between {wanted!r} in what is written, not between {parted!r} as in {path.name}"


def _of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' if count != 1 else ''}"
