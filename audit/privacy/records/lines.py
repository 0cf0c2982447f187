"""The lines of a text file, one at a time and never more than 1 MB of one."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from audit.errors import ConfigError, first_line
from audit.privacy.records.problems import NOT_UTF8, NULL_BYTE, TOO_LONG

LIMIT: Final = 1_000_000  # bytes of a line, its end included
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its end; with a ``fault`` (a reason of :mod:`.problems`) its text is empty."""

    number: int
    text: str
    fault: str | None = None


def read_lines(path: Path) -> Iterator[Line]:
    """Stream the lines of ``path``, unpacked if its name ends in .gz; lines end at a line feed.

    Raises
    ------
    ConfigError
        If the file cannot be read, is cut off in the middle of its gzip data, or is
        in UTF-16 or UTF-32.
    """
    number = 0
    try:
        with opened(path) as file:
            while raw := file.readline(LIMIT + 1):
                number += 1
                if number == 1:
                    if raw.startswith(_WIDE):
                        raise ConfigError(f"{path}: is in UTF-16 or UTF-32; save the file as UTF-8")
                    raw = raw.removeprefix(codecs.BOM_UTF8)
                if len(raw) > LIMIT:
                    _skip_line(file, raw)
                    yield Line(number, "", TOO_LONG)
                else:
                    yield _decoded(number, raw)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigError(f"{path}: broken gzip data after line {number:,}; get the file again") from error


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open ``path`` to read bytes, with one clear error for what can be wrong with it."""
    try:
        with path.open("rb") as file:
            yield cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if path.suffix == ".gz" else file
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file; check the path") from error
    except gzip.BadGzipFile:
        raise
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or first_line(error)})") from error


def _skip_line(file: IO[bytes], begun: bytes) -> None:
    while begun and not begun.endswith(b"\n"):
        begun = file.readline(LIMIT)


def _decoded(number: int, raw: bytes) -> Line:
    if b"\0" in raw:
        return Line(number, "", NULL_BYTE)
    try:
        return Line(number, raw.decode("utf-8"))
    except UnicodeDecodeError:
        return Line(number, "", NOT_UTF8)
