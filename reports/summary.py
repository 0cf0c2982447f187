"""What the Markdown summaries share: tables, facts, a size that a job summary holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from reports.labels import Translate
from reports.text import markdown

MOST_BYTES: Final = 1_000_000  # a job summary holds 1 MiB
MOST_ROWS: Final = 400
_MOST_LETTERS: Final = 400


def table(t: Translate, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table; its cells are any text, and become literal. Past :data:`MOST_ROWS` it says how many more."""
    made = lines_of_table(t, heads, [[markdown(short(cell)) or "–" for cell in row] for row in rows[:MOST_ROWS]])
    if len(rows) > MOST_ROWS:
        made += ["", t("{n} more are in the tables of the run.").format(n=len(rows) - MOST_ROWS)]
    return made


def lines_of_table(t: Translate, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table whose cells are Markdown already."""
    made = [f"| {' | '.join(t(head) for head in heads)} |", "|" + "---|" * len(heads)]
    return made + [f"| {' | '.join(row)} |" for row in rows]


def facts(t: Translate, found: Iterable[tuple[str, str | None]]) -> list[str]:
    """A list of facts; one without a value is not recorded."""
    missing = t("not recorded")
    return [f"- {name}: {markdown(short(value)) if value else missing}" for name, value in found]


def short(text: str) -> str:
    """Cut a text that is too long for a line of a summary."""
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 1]}…"


def joined(lines: Sequence[str]) -> str:
    """The whole summary, or its head alone where it is larger than a job summary may be."""
    text = "\n".join(lines)
    return text if len(text.encode("utf-8")) < MOST_BYTES else "\n".join(lines[:3]) + "\n"
