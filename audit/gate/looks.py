"""Verdicts of a run that is looked at while it grows: each comparison keeps the first verdict it reaches.

Every look tests all comparisons with α divided by the number of planned looks, so that
the chance of any false verdict over all looks is at most α (Bonferroni), whatever made
the run stop. See :mod:`audit.sequential`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from audit import tables
from audit.config import Config
from audit.gate.judging import decide
from audit.gate.ruleset import rules
from audit.gate.wording import ANSWERS, DESIGN, TOO_FEW
from audit.values import Outcome

Row = Mapping[str, Any]
Need = tuple[str, str]

DECIDED: Final[tuple[Outcome, ...]] = ("pass", "fail")


def decide_looks(findings: Sequence[pa.Table], config: Config, *, planned: int) -> tuple[pa.Table, pa.Table]:
    """Judge the looks so far; a comparison keeps the verdict of the look that decided it.

    A fail at any look stands. Else the first pass stands, unless what was asked since, for
    another rule's sake, voids the comparison or shows its answers to be lost: a pass takes
    nothing away from what is known in the end.

    Parameters
    ----------
    findings : the findings of each look, in order; of one that is judged, its templates
        are among those of the next.
    config : whose ``gate`` says what to judge by.
    planned : the number of looks that was fixed beforehand; each is at α/``planned``.

    Returns
    -------
    The table ``verdicts``, in which ``look`` (from 1) is the look that decided, the last one of
    a row that none decided; and the findings, each judged row as it was at its look.
    """
    seen: dict[tuple[str, str | None], list[dict[str, Any]]] = {}
    for number, table in enumerate(findings, 1):
        for row in decide(table, config, looks=planned).to_pylist():
            seen.setdefault((row["rule"], row["finding_id"]), []).append(row | {"look": number})
    made = len(findings)
    # What an earlier look could not compare and the last one does has another finding there.
    rows = [_standing(rows) for rows in seen.values() if rows[-1]["look"] == made or rows[0]["finding_id"] is not None]
    latest = {key for key, rows in seen.items() if rows[-1]["look"] == made}
    rows = [row for row in rows if (row["rule"], row["finding_id"]) in latest or row["outcome"] in DECIDED]
    told = [row | {"reason": f"{row['reason']} {_told(row, made, planned)}"} for row in rows]
    place = {rule.name: number for number, rule in enumerate(rules(config))}
    told.sort(key=lambda row: place.get(row["rule"], len(place)))
    verdicts = tables.check("verdicts", tables.from_rows("verdicts", told))
    return verdicts, _as_judged(findings, told)


def _standing(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of one comparison's verdicts, one a look, the one that stands."""
    last = rows[-1]
    failed = next((row for row in rows if row["outcome"] == "fail"), None)
    passed = next((row for row in rows if row["outcome"] == "pass"), None)
    if failed is not None or passed is None:
        return failed or last
    lost = last["outcome"] == "void" or str(last["reason"]).startswith(ANSWERS)
    return last if lost else passed


def _as_judged(findings: Sequence[pa.Table], verdicts: Sequence[Row]) -> pa.Table:
    """The last look's findings, those that an earlier look decided as they were there."""
    look = {row["finding_id"]: row["look"] for row in verdicts if row["look"] < len(findings)}
    earlier = {number: findings[number - 1] for number in set(look.values())}
    rows = {number: {row["finding_id"]: row for row in table.to_pylist()} for number, table in earlier.items()}
    last = findings[-1].to_pylist()
    shown = [rows[look[row["finding_id"]]][row["finding_id"]] if row["finding_id"] in look else row for row in last]
    return tables.check("findings", tables.from_rows("findings", shown))


def undecided(verdicts: pa.Table, config: Config, *, names_grow: bool = False) -> set[Need]:
    """The (task, axis) pairs that some rule still needs answers on.

    A rule of which one comparison failed has its outcome. A comparison that no further
    answer can decide, since its groups have too few names, asks for none, unless
    ``names_grow``: every step brings new ones.
    """
    chosen = {rule.name: rule for rule in rules(config)}
    rows = verdicts.to_pylist()
    failed = {row["rule"] for row in rows if row["outcome"] == "fail"}
    open_rules = {
        row["rule"] for row in rows if row["outcome"] not in DECIDED and not _hopeless(row, names_grow)
    } - failed
    return {(chosen[name].task, chosen[name].axis) for name in open_rules}


def _hopeless(row: Row, names_grow: bool) -> bool:
    if row["finding_id"] is None:
        return True
    reason = str(row["reason"])
    return reason.startswith(DESIGN) and not reason.startswith(TOO_FEW if names_grow else f"{TOO_FEW}templates")


def _told(row: Row, made: int, planned: int) -> str:
    """Which look this is, and what that rests on."""
    each = f"each of the {planned} looks planned beforehand tests at alpha/{planned}"
    if row["outcome"] in DECIDED:
        return f"Decided at look {row['look']} of {planned}; {each}, over wordings and personas like those asked."
    return f"Not decided after {made} of {planned} looks; {each}."
