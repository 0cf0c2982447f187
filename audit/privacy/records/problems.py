"""What was wrong with the lines of a file: counted and told by number, never by content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from audit.errors import ConfigError

OnBad = Literal["skip", "fail"]
Report = Callable[[int, str], None]

TOO_LONG: Final = "longer than 1 MB"
NOT_UTF8: Final = "not UTF-8"
NULL_BYTE: Final = "with a null byte"
NOT_JSON: Final = "not JSON"
NOT_AN_OBJECT: Final = "not a JSON object"
WRONG_COLUMNS: Final = "with another number of columns than the header"
BAD_QUOTE: Final = "with a quote out of place or not closed"
TOO_LARGE: Final = "with a quote that is not closed or a field of more than 128 KB"
MISSING_TEXT: Final = "without a text"
EMPTY_TEXT: Final = "with an empty text"
BLANK_TEXT: Final = "with nothing but blanks for a text"
NOT_TEXT: Final = "whose text is not a string"
NOT_TURNS: Final = "whose messages are not a list of role and content"
NOT_A_WORD: Final = "whose id, customer, group or identifier is neither word nor number"
DUPLICATE: Final = "with the id of an earlier one"
REPEATED: Final = "with the customer and the text of an earlier one"

SHOWN: Final = 5


@dataclass(slots=True)
class Problems:
    """The bad lines of a file: how many for each reason, and the first five numbers.

    >>> problems = Problems()
    >>> for number in (4, 9):
    ...     problems.add(number, NOT_JSON)
    >>> problems.add(12, EMPTY_TEXT)
    >>> problems.lines()
    ['3 lines skipped: 2 not JSON (lines 4, 9), 1 with an empty text (line 12)']
    """

    counts: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, list[int]] = field(default_factory=dict)

    def add(self, number: int, reason: str) -> None:
        """Count the line ``number`` under ``reason``."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        numbers = self.numbers.setdefault(reason, [])
        if len(numbers) < SHOWN:
            numbers.append(number)

    @property
    def total(self) -> int:
        """How many lines were bad."""
        return sum(self.counts.values())

    def lines(self) -> list[str]:
        """What to tell a person: one line, or none where nothing was bad."""
        if not self.counts:
            return []
        parts = [f"{count:,} {reason} ({_where(count, self.numbers[reason])})" for reason, count in self.counts.items()]
        return [f"{self.total:,} line{_s(self.total)} skipped: {', '.join(parts)}"]


def reporter(path: Path, on_bad: OnBad, problems: Problems | None) -> Report:
    """What to call with the number and the reason of a bad line of ``path``.

    Raises
    ------
    ConfigError
        When called, if ``on_bad`` is "fail".
    """
    if on_bad not in ("skip", "fail"):
        raise ConfigError(f"on_bad: unknown word {on_bad!r}; known are skip, fail")
    tally = problems if problems is not None else Problems()

    def report(number: int, reason: str) -> None:
        if on_bad == "fail":
            raise ConfigError(f'{path}:{number}: a line {reason}; mend it, or skip such lines with on_bad = "skip"')
        tally.add(number, reason)

    return report


def _where(count: int, numbers: list[int]) -> str:
    return f"line{_s(count)} {', '.join(map(str, numbers))}{', …' if count > len(numbers) else ''}"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
