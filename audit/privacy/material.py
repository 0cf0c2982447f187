"""What a privacy audit looks at: members, held-out records and canaries, read from files and drawn by seed."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from audit.config import PrivacyConfig
from audit.errors import ConfigError
from audit.privacy.records import Problems, Record, find_layout, read_records
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
NO_WEIGHTS: Final = "the model does not run here, and without its weights no probability of a given text can be read"


@dataclass(frozen=True, slots=True)
class Material:
    """Records of both sides, the ledger, how many records there were, and what a person should know.

    ``members`` and ``held_out`` are those drawn; ``counts`` tells how many stood in each file.
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
            yield from _without_canaries(
                _records(self.files["members"], settings, self.ledger, Problems()), self.ledger
            )


def gather(settings: PrivacyConfig, seed: int) -> Material:
    """Read what ``settings`` name; of each side ``max_records`` are drawn by ``seed``.

    Raises
    ------
    ConfigError
        If a file is missing, is no ledger or holds no record, or if the training file is not the
        one that the ledger was written beside.
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
    files |= {side: path for side in SIDES if (path := getattr(settings, side))}
    if "members" in files and files["members"] == files.get("held_out"):
        raise ConfigError(f"{files['members']}: is named as members and as held-out; name two files")
    drawn: dict[str, tuple[Record, ...]] = {"members": (), "held_out": ()}
    counts, notes = {}, []
    for side, path in files.items():
        problems = Problems()
        found = _without_canaries(_records(path, settings, ledger, problems), ledger)
        drawn[side], counts[side] = draw(found, settings.max_records, seed)
        notes += [f"{path.name}: {line}" for line in problems.lines()]
    common = {record.text for record in drawn["members"]} & {record.text for record in drawn["held_out"]}
    if common:
        # A text on both sides is a member: it would pass for one that was not learnt.
        drawn["held_out"] = tuple(record for record in drawn["held_out"] if record.text not in common)
        notes.append(f"{len(common)} held-out texts stand among the members too and are left out")
    members, held_out, dropped = _comparable(drawn["members"], drawn["held_out"])
    return Material(members, held_out, ledger, counts, (*notes, *dropped), files)


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
    own = settings.layout != "auto" or settings.columns.model_fields_set
    layout = find_layout(settings.layout, path, settings.columns) if own or ledger is None else ledger.layout
    return read_records(path, layout, on_bad=settings.on_bad, problems=problems)


def _without_canaries(records: Iterable[Record], ledger: Ledger | None) -> Iterator[Record]:
    if ledger is None:
        yield from records
        return
    planted = {canary.text for canary in ledger.canaries}
    for record in records:
        if not any(text in planted for text in _lines(record)):
            yield record


def _lines(record: Record) -> Iterator[str]:
    yield from record.text.splitlines()
    for _, content in record.turns:
        yield content


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
