"""Rows of a CSV file. A bad row costs that row: a quote that is never closed does not swallow the rest."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from audit.errors import ConfigError
from audit.privacy.records.lines import LIMIT, Line, read_lines
from audit.privacy.records.problems import BAD_QUOTE, TOO_LARGE, TOO_LONG, WRONG_COLUMNS, Report

DELIMITERS: Final = ",;\t|"
RETRIED: Final = 100_000  # lines read again, beside one for each line read: the time stays linear
_QUOTED: Final = re.compile(r'"[^"]*"')


def read_header(path: Path) -> tuple[list[str], str]:
    """Return the column names of a CSV file, and what stands between its fields.

    Raises
    ------
    ConfigError
        If the file is empty, or its first line cannot be read, leaves a column without
        a name or names one twice.
    """
    return _header(path, read_lines(path))


def read_delimited(path: Path, report: Report) -> Iterator[tuple[int, dict[str, str]]]:
    """Stream (number of the first line, column -> field) of the rows below the header."""
    lines = read_lines(path)
    header, delimiter = _header(path, lines)
    waiting: deque[Line] = deque()
    retried = 0
    while True:
        taken: list[Line] = []
        row, reason = _next_row(lines, waiting, taken, delimiter)
        if not taken:
            return
        if row is None or (row and len(row) != len(header)):
            again = retried + len(taken) <= RETRIED + taken[0].number
            retried += len(taken)
            for line in taken[:1] if again else taken:
                report(line.number, reason or WRONG_COLUMNS)
            if again:  # the lines that it swallowed may be rows of their own
                waiting.extendleft(reversed(taken[1:]))
        elif row:
            yield taken[0].number, dict(zip(header, row, strict=True))


def _header(path: Path, lines: Iterator[Line]) -> tuple[list[str], str]:
    first = next(lines, None)
    if first is None:
        raise ConfigError(f"{path}: is empty; the first line must name the columns")
    if first.fault:
        raise ConfigError(f"{path}:1: a line {first.fault}; the first line must name the columns, in UTF-8")
    delimiter = max(DELIMITERS, key=_QUOTED.sub("", first.text).count)  # the comma where there is none
    taken: list[Line] = []
    row, reason = _next_row(lines, deque([first]), taken, delimiter)
    if row is None or len(taken) > 1:
        raise ConfigError(f"{path}:1: a line {reason or BAD_QUOTE}; the first line must name the columns")
    names = [name.strip() for name in row]
    if not names or not all(names):
        raise ConfigError(f"{path}:1: column {names.index('') + 1 if names else 1} has no name; name it")
    twice = [number for number, name in enumerate(names, 1) if names.count(name) > 1]
    if twice:  # told by number: in a file without a header these are a customer's own values
        columns = " and ".join(map(str, twice[:2]))
        raise ConfigError(f"{path}:1: columns {columns} have one name; does the first line name the columns?")
    return names, delimiter


class _FaultyRow(Exception):
    """Lines that cannot be a row, with the reason."""


def _next_row(
    lines: Iterator[Line], waiting: deque[Line], taken: list[Line], delimiter: str
) -> tuple[list[str] | None, str | None]:
    """Parse one row, and put the lines that it took into ``taken``."""
    size = 0

    def feed() -> Iterator[str]:
        nonlocal size
        while True:
            line = waiting.popleft() if waiting else next(lines, None)
            if line is None:
                return
            taken.append(line)
            size += len(line.text)
            if size > LIMIT:
                raise _FaultyRow(TOO_LONG)
            if line.fault:
                raise _FaultyRow(line.fault if len(taken) == 1 else BAD_QUOTE)
            yield line.text

    try:
        return next(csv.reader(feed(), delimiter=delimiter, strict=True), None), None
    except _FaultyRow as fault:
        return None, str(fault)
    except csv.Error as error:
        return None, TOO_LARGE if "field limit" in str(error) else BAD_QUOTE
