"""A plan for people, in aligned columns, and for machines."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from audit.gate.limits import amount
from audit.gate.wording import noun
from audit.planning.values import Plan, RulePlan


def to_text(plan: Plan) -> str:
    """The plan in three tables of aligned columns, with what the figures rest on."""
    rows: list[tuple[str, ...]] = [
        (row.task, row.arm, f"{row.requests:,}", f"{row.prompt_tokens:,}", f"{row.sampled_tokens:,}")
        for row in plan.requests
    ]
    total = [
        sum(getattr(row, name) for row in plan.requests) for name in ("requests", "prompt_tokens", "sampled_tokens")
    ]
    rows.append(("all", "", *(f"{value:,}" for value in total)))
    work = plan.work
    read = (
        ""
        if work.computed_tokens is None
        else f"; {work.computed_tokens:,} to read when what prompts share is read once"
    )
    time = work.time_by if work.seconds is None else f"about {duration(work.seconds)} ({work.time_by})"
    lines = [
        f"model   {plan.model}",
        "",
        *_aligned(("task", "arm", "requests", "prompt tokens", "to sample"), rows, words=2),
        "",
        f"tokens  {work.tokens_by}{read}",
        f"time    {time}",
        "",
        *_aligned(_HEAD, [_cells(row) for row in plan.rules], words=3),
        "",
        *(_legend(plan) if plan.tests and plan.claims else ()),
        f"spread   {plan.components_by}",
        *(f"note     {warning}" for warning in plan.warnings),
    ]
    return "\n".join(lines) + "\n"


def to_json(plan: Plan) -> str:
    """The same as data; what is not known is null."""
    data = asdict(plan) | {"rules": [{key: _plain(value) for key, value in asdict(row).items()} for row in plan.rules]}
    return json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _legend(plan: Plan) -> tuple[str, ...]:
    return (
        f"mde      the gap found with power .90 at {plan.alpha:g}/{plan.tests}, what Holm leaves the smallest of "
        f"{plan.tests} tests; in the unit of the tolerance",
        "passes   whether equivalence is granted with power .90 when the true gap is 0, at "
        f"{plan.alpha:g}/{plan.claims}",
        "needs    what it takes besides to find a gap as large as the tolerance, and to pass at 0, each with power .90",
    )


def duration(seconds: float) -> str:
    """A time that is not known better than this.

    >>> duration(12), duration(420), duration(9000)
    ('12 seconds', '7 minutes', '2.5 hours')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds"
    return f"{round(seconds / 60)} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


_HEAD = ("rule", "cue", "group against", "tolerance", "templates", "names", "se", "mde", "passes", "needs")


def _cells(row: RulePlan) -> tuple[str, ...]:
    against = f"{row.group} – {row.reference}" if row.reference else row.group
    counts = (str(row.templates), str(row.personas))
    known = (_figure(row.se), _figure(row.mde), {True: "yes", False: "no", None: "-"}[row.can_pass])
    limit = amount(row.tolerance, row.scale, signed=False).removeprefix("a ")
    return (row.rule, row.cue_channel, against, limit, *counts, *known, _needs(row))


def _needs(row: RulePlan) -> str:
    """What it takes besides, in words."""
    name = noun(row.cue_channel)
    each = "" if row.cue_channel == "explicit" else " a group"
    parts = [_more(row.more_personas, name) + each] if row.more_personas else []
    parts += [_more(row.more_templates, "templates")] if row.more_templates else []
    if row.sample is not None:
        parts.append(f"sample = {row.sample}" if row.sample else "every text (sample = 0)")
    return "; ".join(part for part in (row.note, ", ".join(parts)) if part)


def _more(count: int, what: str) -> str:
    """A number of things.

    >>> _more(1, "names"), _more(12, "templates")
    ('1 more name', '12 more templates')
    """
    return f"{count:,} more {what.removesuffix('s') if count == 1 else what}"


def _figure(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.2g}"


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]], words: int) -> list[str]:
    """Columns under each other: the first ``words`` and the last to the left if they hold words."""
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    last = len(head) - 1
    wordy = any(not cell.replace(",", "").isdigit() for row in rows for cell in row[last:])

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(width) if place < words or (place == last and wordy) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return [line(head), *(line(row) for row in rows)]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
