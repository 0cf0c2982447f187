r"""budget.jsonl: what a training has spent, a line a step, on disk before the noise of that step is drawn.

    {"version": 1, "unit": "record", "sample_rate": 0.01, …}
    {"step": 0}
    {"step": 1}

The first line is the training's; each other one pays for a step. A number is paid for once: a training that was
killed goes on with the next one, so that what it spent stays spent and no noise is drawn twice. Lines are only ever
added. One that was cut off by a kill counts as paid, whether or not its noise was drawn.

No line holds a loss, a batch's size or a time, from which its size could be told. ``data`` in the first line is a hash
of the records, however, and tells two neighbouring data sets apart: the file stays with the training, and what is
published takes from it the number of steps alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from audit.errors import BackendError, ConfigError
from audit.manifest import now

NAME: Final = "budget.jsonl"
VERSION: Final = 1
MEND: Final = "put it back from a copy, or begin anew with --fresh, which keeps this one aside"
_OPENING: Final = b'{"version": '
_KINDS: Final = {"int": (int,), "float": (int, float), "str": (str,)}


@dataclass(frozen=True, slots=True)
class Header:
    """What all steps of a ledger have in common: constants that do not depend on any one record, but for ``data``.

    ``settings`` and ``data`` are hashes of what is trained with and on.
    """

    version: int
    unit: str
    sample_rate: float
    steps: int
    divisor: float
    max_grad_norm: float
    noise_multiplier: float
    delta: float
    settings: str
    data: str
    created: str


@dataclass(frozen=True, slots=True)
class Spent:
    """A ledger as it was read: ``header`` is None where it was cut off within its first line, and nothing was paid."""

    header: Header | None
    paid: int

    @property
    def history(self) -> list[tuple[float, float, int]]:
        """(noise multiplier, sample rate, steps paid for), as the accountants take it."""
        if self.header is None or not self.paid:
            return []
        return [(self.header.noise_multiplier, self.header.sample_rate, self.paid)]


class Spending:
    """The open ledger of a training; use as a context. One process holds it at a time."""

    def __init__(self, path: Path, file: int, lock: Any, header: Header, paid: int) -> None:
        self.path, self._file, self._lock = path, file, lock
        self.header, self.paid = header, paid

    @property
    def history(self) -> list[tuple[float, float, int]]:
        """(noise multiplier, sample rate, steps paid for), as the accountants take it."""
        return Spent(self.header, self.paid).history

    def pay(self, step: int) -> None:
        """Put down that ``step`` is spent; it is on disk when this returns. The first step is 0.

        Raises
        ------
        ValueError
            If it is not the next one, there is none left, or the ledger is closed.
        BackendError
            If the disk does not take it. The ledger is closed then: whether the line is there is not known.
        """
        if self._file < 0:
            raise ValueError(f"{self.path}: is closed, and nothing can be paid")
        if step != self.paid:
            raise ValueError(f"{self.path}: step {step} cannot be paid for, the next one is {self.paid}")
        if step >= self.header.steps:
            raise ValueError(
                f"{self.path}: all {self.header.steps} steps are paid for, and step {step} is none of them"
            )
        self.paid += 1  # first: whatever interrupts the next line, the step is not paid for again
        try:
            _append(self._file, _line(step))
        except OSError as error:
            self.close()
            raise BackendError(
                f"{self.path}: step {step} could not be paid for ({error.strerror}), so it was not taken; "
                "make room, and give the same command again"
            ) from error

    def close(self) -> None:
        """Let go of the file, and let another process have it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_or_begin(folder: Path, wanted: Mapping[str, Any]) -> Spending:
    """Open the ledger of the training in ``folder``, or begin it.

    Parameters
    ----------
    folder
        Is there.
    wanted
        The fields of :class:`Header` but ``version`` and ``created``.

    Raises
    ------
    ConfigError
        If the ledger is damaged, is of a training with other constants, settings or data, or another process has it.
    BackendError
        If it cannot be written.
    """
    path = folder / NAME
    header = Header(**{"version": VERSION, "created": now(), **wanted})
    lock = locked(folder)
    file = -1
    try:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        found, paid = _mended(file, path, header)
        _sync_folder(folder)
        return Spending(path, file, lock, found, paid)
    except BaseException as error:
        if file >= 0:
            os.close(file)
        lock.release()
        if isinstance(error, OSError):
            raise BackendError(f"{path}: cannot be written ({error.strerror}); name another --out") from error
        raise


def read_spending(path: Path) -> Spent:
    """Read a ledger, or that of the folder ``path``, and leave it as it is. A line that was cut off counts as paid.

    Raises
    ------
    ConfigError
        If there is none, or it is damaged.
    """
    path = path / NAME if path.is_dir() else path
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); name the folder of a private training"
        ) from error
    return _read(data, path)[0]


def set_aside(folder: Path) -> Path | None:
    """Make room for a new ledger: rename that of ``folder`` to budget-1.jsonl, or the next free number.

    Spent ε is not forgotten by beginning anew, so nothing is removed; :func:`earlier` reads them. Returns the new
    path, None where there is no ledger.

    Raises
    ------
    ConfigError
        If another process has the ledger.
    """
    path = folder / NAME
    if not path.exists():
        return None
    lock = locked(folder)
    try:
        number = 1 + max((_number(found) for found in folder.glob("budget-*.jsonl")), default=0)
        kept = folder / f"budget-{number}.jsonl"
        path.rename(kept)
        _sync_folder(folder)
    finally:
        lock.release()
    return kept


def begun(folder: Path, *, fresh: bool) -> int:
    """How many ledgers of ``folder`` are set aside, or will be if it is begun ``fresh``."""
    aside = sum(1 for path in folder.glob("budget-*.jsonl") if _number(path))
    return aside + (fresh and (folder / NAME).exists())


def earlier(folder: Path) -> list[Spent]:
    """Read the ledgers that were set aside in ``folder``, the oldest first.

    Whoever publishes two models trained on the same records spends the sum of both.

    Raises
    ------
    ConfigError
        If one is damaged.
    """
    return [read_spending(path) for path in sorted(folder.glob("budget-*.jsonl"), key=_number) if _number(path)]


def _mended(file: int, path: Path, wanted: Header) -> tuple[Header, int]:
    """Read the open ledger, finish a line that was cut off, and begin it where nothing was paid yet."""
    data = path.read_bytes()
    spent, whole = _read(data, path)
    if spent.header is None:
        os.ftruncate(file, 0)
        _append(file, json.dumps(asdict(wanted)).encode() + b"\n")
        return wanted, 0
    _compare(path, spent.header, wanted)
    if whole < len(data):  # zeros, which some file systems leave where the power failed
        os.ftruncate(file, whole)
    if not data[:whole].endswith(b"\n"):
        started = whole - data.rfind(b"\n", 0, whole) - 1
        _append(file, _line(spent.paid - 1)[started:])
    elif whole < len(data):
        _append(file, _line(spent.paid - 1))
    return spent.header, spent.paid


def _read(data: bytes, path: Path) -> tuple[Spent, int]:
    """What a ledger of these bytes says, and how many of them are worth keeping."""
    first, newline, rest = data.partition(b"\n")
    if not newline:
        begun = first.rstrip(b"\0")
        if not (begun.startswith(_OPENING) or _OPENING.startswith(begun)):
            raise ConfigError(f"{path}: line 1: is no budget ledger's; move the file away")
        return Spent(None, 0), 0
    header = _header(first, path)
    *lines, tail = rest.split(b"\n")
    for step, line in enumerate(lines):
        if line + b"\n" != _line(step):
            raise ConfigError(f"{path}: line {step + 2}: {_damage(line, step)}; {MEND}")
    torn = tail.rstrip(b"\0")
    if not _line(len(lines)).startswith(torn):
        raise ConfigError(f"{path}: line {len(lines) + 2}: {_damage(torn, len(lines))}; {MEND}")
    paid = len(lines) + bool(tail)
    if paid > header.steps:
        raise ConfigError(
            f"{path}: line {header.steps + 2}: pays for more than the {header.steps} steps planned; {MEND}"
        )
    return Spent(header, paid), len(data) - (len(tail) - len(torn))


def _header(line: bytes, path: Path) -> Header:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or "version" not in data:
        raise ConfigError(f"{path}: line 1: is no budget ledger's; {MEND}")
    if data["version"] != VERSION or data["version"] is True:
        raise ConfigError(
            f"{path}: line 1: version is {data['version']!r:.40}, and this evenhand reads {VERSION}; "
            "go on with the one that wrote it"
        )
    for field in fields(Header):
        value = data.get(field.name)
        if not isinstance(value, _KINDS[str(field.type)]) or isinstance(value, bool):
            raise ConfigError(f"{path}: line 1: {field.name}: is missing or of a wrong kind; {MEND}")
    unknown = sorted(data.keys() - {field.name for field in fields(Header)})
    if unknown:
        raise ConfigError(f"{path}: line 1: {unknown[0]:.40}: is not known; {MEND}")
    return Header(**data)


def _compare(path: Path, there: Header, wanted: Header) -> None:
    for field in fields(Header):
        old, new = getattr(there, field.name), getattr(wanted, field.name)
        if field.name != "created" and old != new:
            how = "are others" if field.name in ("settings", "data") else f"was {old} and would be {new}"
            raise ConfigError(
                f"{path}: {field.name}: {how} in this training than in the one whose budget this is; "
                "name another --out, or begin anew with --fresh, which keeps this budget aside"
            )


def _damage(line: bytes, step: int) -> str:
    try:
        found = json.loads(line)["step"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return "pays for nothing that can be read"
    if not isinstance(found, int) or isinstance(found, bool) or line + b"\n" != _line(found):
        return "pays for nothing that can be read"
    return f"pays for step {found} again" if found < step else f"pays for step {found}, and step {step} is missing"


def _line(step: int) -> bytes:
    return b'{"step": %d}\n' % step


def _append(file: int, data: bytes) -> None:
    """Write all of ``data`` at the end, and have it on disk."""
    while data:
        data = data[os.write(file, data) :]
    os.fsync(file)


def _sync_folder(folder: Path) -> None:
    """Have the names in ``folder`` on disk: a file that has none after a power failure pays for nothing."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def locked(folder: Path) -> Any:
    """Hold ``folder`` against other trainings until the lock that is returned is released.

    Raises
    ------
    ConfigError
        If another process trains there.
    BackendError
        If the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / "budget.lock", timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise ConfigError(
            f"{folder}: another process trains in this folder; wait for it, or name another --out"
        ) from None
    except OSError as error:
        raise BackendError(f"{folder}: cannot be locked ({error.strerror}); name another --out") from error
    return lock


def _number(path: Path) -> int:
    digits = path.stem.removeprefix("budget-")
    return int(digits) if digits.isdecimal() else 0
