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
from audit.gate.wording import DESIGN, TOO_FEW
from audit.values import Outcome

Row = Mapping[str, Any]
Need = tuple[str, str]

DECIDED: Final[tuple[Outcome, ...]] = ("pass", "fail")


def decide_looks(findings: Sequence[pa.Table], config: Config, *, planned: int) -> pa.Table:
    """Judge the looks so far; a comparison keeps the verdict of the look that decided it.

    Parameters
    ----------
    findings : the findings of each look, in order; of one that is judged, its templates
        are among those of the next.
    config : whose ``gate`` says what to judge by.
    planned : the number of looks that was fixed beforehand; each is at α/``planned``.

    Returns
    -------
    The table ``verdicts``. ``look`` (from 1) is the look that decided, the last one of
    a row that none decided.
    """
    made: list[dict[tuple[str, str | None], dict[str, Any]]] = []
    for number, table in enumerate(findings, 1):
        rows = decide(table, config, looks=planned).to_pylist()
        made.append({(row["rule"], row["finding_id"]): row | {"look": number} for row in rows})
    found = dict(made[-1])
    for earlier in reversed(made[:-1]):
        found |= {key: row for key, row in earlier.items() if row["outcome"] in DECIDED}
    rows = [row | {"reason": f"{row['reason']} {_told(row, len(made), planned)}"} for row in found.values()]
    place = {rule.name: number for number, rule in enumerate(rules(config))}
    rows.sort(key=lambda row: place.get(row["rule"], len(place)))
    return tables.check("verdicts", tables.from_rows("verdicts", rows))


def undecided(verdicts: pa.Table, config: Config) -> set[Need]:
    """The (task, axis) pairs that some rule still needs answers on.

    A rule of which one comparison failed has its outcome. A comparison that no further
    answer can decide, since its groups have too few names, asks for none.
    """
    chosen = {rule.name: rule for rule in rules(config)}
    rows = verdicts.to_pylist()
    failed = {row["rule"] for row in rows if row["outcome"] == "fail"}
    open_rules = {row["rule"] for row in rows if row["outcome"] not in DECIDED and not _hopeless(row)} - failed
    return {(chosen[name].task, chosen[name].axis) for name in open_rules}


def _hopeless(row: Row) -> bool:
    if row["finding_id"] is None:
        return True
    reason = str(row["reason"])
    return reason.startswith(DESIGN) and not reason.startswith(f"{TOO_FEW}templates")


def _told(row: Row, made: int, planned: int) -> str:
    """Which look this is, and what that rests on."""
    each = f"each of the {planned} looks planned beforehand tests at alpha/{planned}"
    if row["outcome"] in DECIDED:
        return f"Decided at look {row['look']} of {planned}; {each}, over wordings and personas like those asked."
    return f"Not decided after {made} of {planned} looks; {each}."
