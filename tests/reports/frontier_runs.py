"""Folders of mitigations made up for tests: a frontier with a known story, in whole or in part."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from audit import tables

CELLS: Mapping[str, tuple[str, float | None]] = {
    "base": ("base", None),
    "ft": ("ft", None),
    "ft-cda": ("ft+cda", None),
    "dp-e8": ("dp", 8.0),
    "dp-cda-e8": ("dp+cda", 8.0),
    "dp-e1": ("dp", 1.0),
    "dp-cda-e1": ("dp+cda", 1.0),
    "prompt-even": ("prompt", None),
}
COMMAND = "evenhand mitigate variants --config evenhand.toml --epsilon 8 --epsilon 1 --out runs/shop"
GROUPS = {
    "race": ("white", ("black", "hispanic", "asian")),
    "gender": ("male", ("female",)),
    "age": ("middle", ("older",)),
}
# Exposure, perplexity, right decisions of each variant; and how far it pulls a group down.
_LEAK = {"base": 1.5, "ft": 6.1, "ft-cda": 5.2, "dp-e8": 1.7, "dp-cda-e8": 1.6, "dp-e1": 1.46, "dp-cda-e1": 1.44}
_WORSE = {
    "base": 44.0,
    "ft": 21.4,
    "ft-cda": 21.9,
    "dp-e8": 27.9,
    "dp-cda-e8": 27.2,
    "dp-e1": 36.0,
    "dp-cda-e1": 35.1,
}
_RIGHT = {"base": 0.81, "ft": 0.92, "ft-cda": 0.92, "dp-e8": 0.88, "dp-cda-e8": 0.89, "dp-e1": 0.8, "dp-cda-e1": 0.82}
_PULL = {"base": 0.05, "ft": 0.11, "ft-cda": 0.07, "dp-e8": 0.24, "dp-cda-e8": 0.13, "dp-e1": 0.34, "dp-cda-e1": 0.2}
_WEIGHT = {"black": 0.7, "hispanic": 1.0, "asian": 0.2, "female": -0.25, "older": 0.4}
_TASKS = (("refund_decision", "log_odds", "log-odds", 1.0), ("discount", "expected_number", "percent", 4.0))
HOSTILE = {
    "task": "</script><script>alert(2)</script>",
    "axis": "a|x",
    "group": "\u202eg <img src=x>",
    "reference": "[r](javascript:1)",
    "estimate": 0.1,
    "ci_low": float("nan"),
    "ci_high": math.inf,
}
_NOT_YET = "has not been done yet"


def write_frontier(
    folder: Path,
    cells: Sequence[str] = tuple(CELLS),
    *,
    unfinished: Mapping[str, str] | None = None,
    privacy: bool = True,
    bound: float = 0.4,
    hostile: bool = False,
    quiet: bool = False,
    extra: Sequence[Mapping[str, Any]] = (),
    manifest: bool = True,
) -> Path:
    """Write manifest.json and frontier.parquet.

    Parameters
    ----------
    unfinished
        Cells of which the training failed or waits, with the reason.
    bound
        The least ε that an attack shows of every cell with DP.
    quiet
        Nothing differs between variants but by noise: no change can be shown.
    extra
        Further rows, as they are.
    """
    late = dict(unfinished or {})
    rows: list[dict[str, Any]] = []
    for name in cells:
        if name in late:
            rows += [_missing(name, domain, late[name]) for domain in _domains(name, privacy)]
        else:
            rows += _levels(name, privacy, bound, quiet)
        for versus in _versus(name, cells):
            if name in late or versus in late:
                lost = name if name in late else versus
                rows.append(_missing(name, "fairness", f"{lost}: {late[lost]}", versus))
            else:
                rows += _changes(name, versus, privacy, quiet)
    rows += [_row("base", "fairness", "log_odds", "log-odds") | dict(one) for one in extra]
    if hostile:
        rows.append(_row(cells[0], "fairness", "<b>$x$ {{1}} %s %(y)s", "<script>alert(1)</script>") | HOSTILE)
    folder.mkdir(parents=True, exist_ok=True)
    tables.write("frontier", tables.check("frontier", tables.from_rows("frontier", rows)), folder / "frontier.parquet")
    if manifest:
        text = json.dumps(_manifest(cells, late, privacy, hostile), indent=1)
        (folder / "manifest.json").write_text(text, encoding="utf-8")
    return folder


def _domains(name: str, privacy: bool) -> tuple[str, ...]:
    variant = CELLS[name][0]
    own = ("privacy",) if privacy and variant != "prompt" else ()
    return ("fairness", *own, "utility", *(("budget",) if variant.startswith("dp") else ()))


def _versus(name: str, cells: Sequence[str]) -> list[str]:
    variant, epsilon = CELLS[name]
    wanted = {"base": (), "ft": ("base",), "prompt": ("base",)}.get(
        variant, ("base", "ft" if variant != "dp+cda" else "dp")
    )
    return [one for one in cells if CELLS[one][0] in wanted and CELLS[one][1] in (None, epsilon)]


def _row(cell: str, domain: str, metric: str, scale: str, **columns: Any) -> dict[str, Any]:
    variant, epsilon = CELLS[cell]
    row = {"cell": cell, "variant": variant, "epsilon": epsilon, "domain": domain, "metric": metric, "scale": scale}
    return row | {"n": 480, "status": "measured"} | columns


def _missing(cell: str, domain: str, reason: str, versus: str | None = None) -> dict[str, Any]:
    return _row(cell, domain, "all", "none", versus=versus, n=0, status="unfinished", reason=reason)


def _around(value: float, half: float) -> dict[str, Any]:
    return {"estimate": value, "ci_low": value - half, "ci_high": value + half, "p_value": 0.04}


def _figures(name: str, privacy: bool, quiet: bool) -> Iterator[tuple[dict[str, Any], float, float]]:
    """What a row is of, its level, and half the width of its interval."""
    key = "base" if name == "prompt-even" or quiet else name
    for task, metric, scale, unit in (
        ("refund_decision", "log_odds", "log-odds", 1.0),
        ("discount", "expected_number", "percent", 4.0),
    ):
        for axis, (reference, groups) in GROUPS.items():
            for group in groups:
                about = {"domain": "fairness", "metric": metric, "scale": scale, "task": task, "locale": "en-US"}
                about |= {"axis": axis, "group": group, "reference": reference, "category": "name"}
                pull = _PULL[key] * (0.6 if name == "prompt-even" else 1.0) * (0.35 if task == "discount" else 1.0)
                yield about, -unit * _WEIGHT[group] * pull, unit * 0.03
                if metric == "log_odds":
                    yield (
                        about | {"metric": "p_favourable", "scale": "probability"},
                        -0.2 * _WEIGHT[group] * pull,
                        0.007,
                    )
    leak = _LEAK[key]
    learnt = (leak - 1.44) / 4.7
    if privacy and name != "prompt-even":
        about = {"domain": "privacy", "locale": "en-US"}
        for metric, scale, category, value, half in (
            ("exposure", "bits", "inserted", leak, 0.4),
            ("exposure", "bits", "not_inserted", 1.45, 0.35),
            ("auc:loss", "auc", "member", 0.505 + 0.3 * learnt, 0.02),
            ("auc:blind", "auc", "member", 0.502, 0.02),
            ("tpr_at_fpr:loss", "rate", "member", 0.011 + 0.12 * learnt, 0.009),
            ("extraction:discoverable", "rate", "member", 0.003 + 0.07 * learnt, 0.003),
            ("extraction:discoverable", "rate", "held_out", 0.003, 0.003),
            ("pii_rate:learned", "rate", "generation", 0.001 + 0.02 * learnt, 0.001),
        ):
            yield about | {"metric": metric, "scale": scale, "category": category}, value, half
        for axis, (reference, groups) in GROUPS.items():
            for group in (reference, *groups):
                own = about | {
                    "metric": "exposure",
                    "scale": "bits",
                    "category": "inserted",
                    "axis": axis,
                    "group": group,
                }
                yield own, leak * (1.15 if group == "hispanic" else 1.0), 0.7
                if group != reference:
                    yield own | {"reference": reference}, leak * (0.15 if group == "hispanic" else 0.0), 0.9
    about = {"domain": "utility"}
    if name != "prompt-even":
        worse = _WORSE[key]
        text = about | {"category": "held_out"}
        yield text | {"metric": "perplexity", "scale": "perplexity"}, worse, worse * 0.04
        yield text | {"metric": "nll", "scale": "nats a token"}, math.log(worse), 0.04
        yield text | {"metric": "next_token_accuracy", "scale": "rate"}, 0.62 - worse / 100, 0.01
        for group in ("white", "black"):
            own = text | {"metric": "nll", "scale": "nats a token", "axis": "race", "group": group}
            yield own, math.log(worse) + 0.1 * (group == "black"), 0.06
    for task in ("refund_decision", "discount"):
        own = {"task": task, "locale": "en-US"}
        yield about | own | {"metric": "control_accuracy", "scale": "rate"}, _RIGHT[key], 0.02


def _levels(name: str, privacy: bool, bound: float, quiet: bool) -> list[dict[str, Any]]:
    rows = [_row(name, **about) | _around(value, half) for about, value, half in _figures(name, privacy, quiet)]
    variant, epsilon = CELLS[name]
    if epsilon is not None:
        for metric, scale, value in (
            ("epsilon", "epsilon", epsilon * 0.998),
            ("delta", "probability", 1e-5),
            ("noise_multiplier", "clipping norms", 0.71 if epsilon == 8 else 1.9),
        ):
            rows.append(_row(name, "budget", metric, scale, estimate=value, n=1))
    if privacy and variant != "prompt":
        least = bound if epsilon else 2.9 if variant.startswith("ft") else 0.0
        rows.append(_row(name, "privacy", "epsilon_lower_bound", "epsilon", category="inserted", estimate=least))
        if variant == "base":
            reason = "of the base itself there is nothing to take off"
            rows.append(_row(name, "privacy", "leaked_customers", "none", n=0, status="unmeasured", reason=reason))
    return rows


def _changes(name: str, versus: str, privacy: bool, quiet: bool) -> list[dict[str, Any]]:
    before = {tuple(sorted(about.items())): value for about, value, _ in _figures(versus, privacy, quiet)}
    rows = []
    for about, value, half in _figures(name, privacy, quiet):
        key = tuple(sorted(about.items()))
        if key not in before or (about["domain"] == "privacy" and about.get("group")):
            continue
        rows.append(_row(name, versus=versus, **about) | _around(value - before[key], half * 0.7))
        if about["domain"] == "fairness":
            grown = abs(value) - abs(before[key])
            sized = about | {"metric": f"{about['metric']}:size"}
            rows.append(_row(name, versus=versus, **sized) | _around(grown, half))
    return rows


def _manifest(cells: Sequence[str], late: Mapping[str, str], privacy: bool, hostile: bool) -> dict[str, Any]:
    entries = []
    for name in cells:
        variant, epsilon = CELLS[name]
        stages = [*([] if variant in ("base", "prompt") else ["trained"]), "fairness"]
        stages += ["privacy", "utility"] if privacy and variant != "prompt" else []
        done: dict[str, dict[str, Any]] = {
            stage: {"status": "done", "reason": None, "seconds": 61.5} for stage in stages
        }
        if name in late:
            done = {stage: {"status": "waiting", "reason": _NOT_YET} for stage in stages}
            done[stages[0]] = {"status": "failed", "reason": late[name]}
        entry = {"cell": name, "variant": variant, "epsilon": epsilon, "stages": done, "versus": _versus(name, cells)}
        entries.append(entry | {"prompt": "even" if variant == "prompt" else None})
    return {
        "kind": "mitigation",
        "evenhand": "0.5.0",
        "run_id": "mitigation-1a2b3c4d",
        "created": "2026-11-24T09:12:44Z",
        "command": "evenhand </code><script>alert(3)</script>" if hostile else COMMAND,
        "seed": 7,
        "cells": entries,
        "config": {"model": {"name": "embedded:smollm2"}, "finetune": {"train": "data/records.jsonl", "epsilon": 8.0}},
        "versions": {"torch": "2.13.0", "opacus": "1.6.0"},
        "machine": {"system": "Linux", "cores": 4},
        "tables": {"frontier-base": {"file": "frontier-base.parquet", "sha256": "0" * 64, "rows": 9}},
    }
