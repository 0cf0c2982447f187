"""What a privacy audit looks at: members, held-out records and canaries, read from files and drawn by seed."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from audit.config import ColumnsConfig, PrivacyConfig
from audit.errors import ConfigError
from audit.privacy.records import (
    Layout,
    Problems,
    Record,
    find_layout,
    keys_of,
    read_records,
    read_texts,
    repeated,
    shared,
    text_key,
)
from audit.values import content_hash

if TYPE_CHECKING:
    from audit.privacy.planting import Ledger

# Why a topic cannot be measured, by what is missing.
NO_MEMBERS: Final = "no file of training records is named; name it with --members, or a ledger with --ledger"
NO_HELD_OUT: Final = (
    "no held-out records are named; name with --held-out records of the same kind that the model was not trained on"
)
NO_LEDGER: Final = "no canaries were planted; 'evenhand privacy plant' plants them before a fine-tuning"
SIDES: Final[tuple[Literal["members", "held_out"], ...]] = ("members", "held_out")
# Of different held-out texts that stand among the members: above it the file is none of records held out.
MOST_SHARED: Final = 0.5
NO_WEIGHTS: Final = "the model does not run here, and without its weights no probability of a given text can be read"


@dataclass(frozen=True, slots=True)
class Material:
    """Records of both sides, the ledger, how many records there were, and what a person should know.

    ``members`` and ``held_out`` are those drawn; ``counts`` tells how many stood in each file. Where there are both,
    none of them has a text that stands more than once over the two whole files.
    ``files`` are the files that the records come from.
    """

    members: tuple[Record, ...]
    held_out: tuple[Record, ...]
    ledger: Ledger | None
    counts: Mapping[str, int]
    notes: tuple[str, ...]
    files: Mapping[str, Path]

    def all_members(self, settings: PrivacyConfig) -> Iterator[Record]:
        """Read every member again, one by one; the canaries among them are left out."""
        if "members" in self.files:
            yield from _records(self.files["members"], settings, self.ledger, Problems())


def gather(settings: PrivacyConfig, seed: int) -> Material:
    """Read what ``settings`` name; of each side ``max_records`` are drawn by ``seed``.

    Raises
    ------
    ConfigError
        If a file is missing, is no ledger or holds no record, if the training file is not the one that
        the ledger was written beside, if most held-out texts were trained on, or if no text of a side stands once.
    """
    from audit.privacy.planting import check_files, read_ledger

    ledger, files = None, {}
    if settings.ledger:
        ledger = read_ledger(settings.ledger)
        files = {
            "members": settings.ledger.parent / ledger.training.file,
            "held_out": settings.ledger.parent / ledger.held_out.file,
        }
        files = {side: path for side, path in files.items() if getattr(settings, side) is None}
        check_files(ledger, settings.ledger.parent, [side for side in SIDES if side in files])
        if "members" in files:
            _check_coins(ledger, files["members"], settings)
    own: dict[str, Path] = {side: path for side in SIDES if (path := getattr(settings, side))}
    files |= own
    if "members" in files and files["members"] == files.get("held_out"):
        raise ConfigError(f"{files['members']}: is named as members and as held-out; name two files")
    drawn: dict[str, tuple[Record, ...]] = {"members": (), "held_out": ()}
    counts, notes = {}, []
    again = _repeated(files, settings, ledger, split_here=not own)
    left_out: dict[str, int] = {}
    for side, path in files.items():
        problems = Problems()
        once = _Once(_records(path, settings, ledger, problems), again)
        drawn[side], kept = draw(once, settings.max_records, seed)
        counts[side], left_out[side] = kept + once.left_out, once.left_out
        if not kept:
            raise ConfigError(
                f"{path}: each of its texts stands more than once in the files of members and held-out records, so "
                "there is none to compare; take other records"
            )
        notes += [f"{path.name}: {line}" for line in problems.lines()]
    if any(left_out.values()):
        many = " and ".join(f"{left_out[side]:,} of {counts[side]:,} in {path.name}" for side, path in files.items())
        notes.append(f"records whose text stands more than once over both files are not compared: {many} are left out")
    members, held_out, dropped = _comparable(drawn["members"], drawn["held_out"])
    return Material(members, held_out, ledger, counts, (*notes, *dropped), files)


def _check_coins(ledger: Ledger, path: Path, settings: PrivacyConfig) -> None:
    """See that the training file holds the canaries whose coins say so, and no others."""
    texts = {canary.text: canary for canary in ledger.canaries}
    found = {
        text
        for record in read_records(path, ledger.layout, on_bad="skip", problems=Problems())
        for text in (record.text, record.text.strip(), *(content for _, content in record.turns))
        if text in texts
    }
    for canary in ledger.canaries:
        if canary.inserted is not (canary.text in found):
            raise ConfigError(
                f"{settings.ledger}: canaries: the coin of {canary.canary_id} does not agree with {path.name}; take "
                "the ledger as it was written, or plant again"
            )


def _repeated(
    files: Mapping[str, Path], settings: PrivacyConfig, ledger: Ledger | None, *, split_here: bool
) -> frozenset[int]:
    """Keys of the texts that stand more than once over both whole files; none where there is one file alone.

    A copy on the other side makes a text both; left out of that side alone, stock phrases would tell the sides apart.
    ``split_here``: the ledger vouches for both files, and what they share are stock phrases.
    """
    if len(files) < len(SIDES):
        return frozenset()
    members, held_out = (
        keys_of(read_texts(files[side], _layout(files[side], settings, ledger), known=_planted(ledger)))
        for side in SIDES
    )
    part = shared(held_out, members)
    if part > MOST_SHARED and not split_here:
        raise ConfigError(
            f"{files['held_out']}: {part:.0%} of its different texts stand in {files['members']} too, so they are "
            "not held out; name records that the model was not trained on"
        )
    return repeated(members, held_out)


@dataclass(slots=True)
class _Once:
    """Records whose text is not among ``again``; counts the others."""

    records: Iterable[Record]
    again: AbstractSet[int]
    left_out: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[Record]:
        for record in self.records:
            if self.again and text_key(record.text) in self.again:
                self.left_out += 1
            else:
                yield record


def draw(records: Iterable[Record], size: int, seed: int) -> tuple[tuple[Record, ...], int]:
    """Draw ``size`` records (0: all) and count them all; which are drawn depends on their ids and ``seed``.

    >>> from audit.privacy.records import Record
    >>> some, count = draw((Record(str(i), "text") for i in range(9)), 3, seed=0)
    >>> len(some), count, some == draw((Record(str(i), "text") for i in range(9)), 3, seed=0)[0]
    (3, 9, True)
    """
    count = 0
    heap: list[tuple[int, int, Record]] = []
    for number, record in enumerate(records):
        count += 1
        place = -int(content_hash([seed, record.record_id], 16), 16)
        if not size or len(heap) < size:
            heapq.heappush(heap, (place, -number, record))
        else:
            heapq.heappushpop(heap, (place, -number, record))
    return tuple(record for _, _, record in sorted(heap, key=lambda item: -item[1])), count


def _records(path: Path, settings: PrivacyConfig, ledger: Ledger | None, problems: Problems) -> Iterator[Record]:
    """The records of a file without the canaries, which are not looked for among repeated lines either."""
    layout = _layout(path, settings, ledger)
    return read_records(path, layout, on_bad=settings.on_bad, problems=problems, known=_planted(ledger))


def _layout(path: Path, settings: PrivacyConfig, ledger: Ledger | None) -> Layout:
    own = settings.layout != "auto" or settings.columns != ColumnsConfig()
    return find_layout(settings.layout, path, settings.columns) if own or ledger is None else ledger.layout


def _planted(ledger: Ledger | None) -> frozenset[str]:
    return frozenset() if ledger is None else frozenset(canary.text for canary in ledger.canaries)


def _comparable(
    members: tuple[Record, ...], held_out: tuple[Record, ...]
) -> tuple[tuple[Record, ...], tuple[Record, ...], list[str]]:
    """Leave out axes on which all authors are of one group: there is nothing to compare."""
    groups: dict[str, set[str]] = {}
    for record in (*members, *held_out):
        for axis, group in record.groups.items():
            groups.setdefault(axis, set()).add(group)
    alone = sorted(axis for axis, found in groups.items() if len(found) < 2)
    notes = [f"{axis}: all records have one value there, so authors are not compared by it" for axis in alone]
    if not alone:
        return members, held_out, notes

    def kept(record: Record) -> Record:
        return replace(record, groups={axis: group for axis, group in record.groups.items() if axis not in alone})

    return tuple(map(kept, members)), tuple(map(kept, held_out)), notes
