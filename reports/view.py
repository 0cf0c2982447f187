"""A run folder becomes the one :class:`~reports.values.ReportView` that every format draws."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from audit.values import LABEL_FREE
from reports import findings as of
from reports.folder import Row, RunFolder, read_run
from reports.instruments import inferences, scorer_checks
from reports.labels import WORST_FIRST, axis_order
from reports.noise import noise
from reports.pairs import worst_pairs
from reports.subject import mapping, subject_of, text_of
from reports.text import visible
from reports.values import AnswerMass, Pair, ReportView, Returned, Subject, TaskView

if TYPE_CHECKING:
    import pandas as pd

MAIN_METRIC: Final = {"decision": "log_odds", "number": "expected_number", "text": "tone"}
# Order of the columns in tables of levels; metrics not named here come after.
ORDER: Final = (
    "p_favourable",
    "p_correct",
    "log_odds",
    "expected_number",
    "p_at_least",
    "refusal",
    "tone",
    "readability",
    "words",
    "agency",
    "communion",
    "profanity",
    "answer_mass",
)
# Statistics of which the method is one sentence; those of others hold figures of their row.
_METHODS: Final = frozenset({"contrast", "placebo", "excess", "signal_to_floor", "wasserstein", "floor", "scorer_bias"})
DEFAULTS: Final = {"alpha": 0.05, "min_templates": 12, "min_personas": 10, "min_answer_mass": 0.1}


def build_view(run_folder: Path) -> ReportView:
    """Read ``run_folder`` and return what a report shows of it.

    Parameters
    ----------
    run_folder
        A folder with personas, probes, completions, scores and findings as parquet and
        verdicts.json; manifest.json is used where there is one.

    Raises
    ------
    ConfigError
        If a table or the verdict is missing or not readable.
    """
    run = read_run(run_folder)
    config = mapping(run.manifest.get("config"))
    gate = DEFAULTS | {key: value for key, value in mapping(config.get("gate")).items() if key in DEFAULTS}
    reference = of.references(run.findings)
    audited = run.probes.filter(pc.equal(run.probes.column("purpose"), "audit"))
    pairs = worst_pairs(audited, run.personas, run.completions, run.scores, reference)
    frame = _probe_frame(audited, run.completions)
    tasks = tuple(_task(run, task, part, gate, pairs.get(task, ())) for task, part in frame.groupby("task", sort=True))
    tasks = tuple(sorted(tasks, key=lambda task: (not task.judged, task.output_form != "decision", task.task)))
    known = {row["finding_id"] for row in run.findings if row["task"] is not None}
    orphans = [row for row in run.verdicts if row["finding_id"] not in known]
    channels = run.personas.column("cue_channel").to_pylist()
    label_free = [
        all(axis.startswith(LABEL_FREE) for axis, _ in row) and bool(row)
        for row in run.personas.column("attributes").to_pylist()
    ]
    return ReportView(
        overall=run.overall,
        subject=_subject(run.manifest, run),
        tasks=tasks,
        orphan_rules=of.rules(orphans, (), {}),
        scorer_checks=scorer_checks(run.findings, run.verdicts, ORDER),
        inferences=inferences(run.findings),
        counts=dict(sorted(Counter(row["outcome"] for row in run.verdicts if row["level"] != "off").items())),
        names=sum(channel == "name" for channel in channels),
        cues=sum(channel != "name" and not odd for channel, odd in zip(channels, label_free, strict=True)),
        probes=len(frame),
        completions=int(frame["completions"].sum()),
        axes=_axes(run.personas, reference),
        alpha=float(gate["alpha"]),
        methods=tuple(sorted({row["method"] for row in run.findings if row["statistic"] in _METHODS})),
        config=json.dumps(config, indent=2, ensure_ascii=False, default=str) if config else "",
    )


def _probe_frame(probes: pa.Table, completions: pa.Table) -> pd.DataFrame:
    """One row a probe, with what came back for it counted."""
    import pandas as pd

    frame = probes.select(["probe_id", "task", "template_id", "category", "block_id", "arm", "output_form"]).to_pandas()
    said = completions.select(["probe_id", "finish_reason"]).to_pandas()
    counts = pd.DataFrame(
        {
            "completions": said.groupby("probe_id").size(),
            "errors": (said["finish_reason"] == "error").groupby(said["probe_id"]).sum(),
        }
    )
    joined = frame.merge(counts, how="left", left_on="probe_id", right_index=True)
    return joined.fillna({"completions": 0, "errors": 0})


def _task(run: RunFolder, task: str, frame: pd.DataFrame, gate: Mapping[str, Any], pairs: tuple[Pair, ...]) -> TaskView:
    shown_task = visible(task)
    found = [row for row in run.findings if row["task"] == shown_task]
    ids = {row["finding_id"] for row in found}
    verdicts = [row for row in run.verdicts if row["finding_id"] in ids]
    controls = of.controls(found)
    gaps = of.gaps(found, verdicts, controls, int(gate["min_templates"]), int(gate["min_personas"]))
    rules = of.rules(verdicts, found, {gap.finding_id: gap for gap in gaps})
    form = str(frame["output_form"].iloc[0])
    ruled = Counter(rule.metric for rule in rules if rule.metric and rule.level != "off")
    main = ruled.most_common(1)[0][0] if ruled else MAIN_METRIC.get(form)
    metrics = {row["metric"] for row in found if row["kind"] == "level"}
    ordered = sorted(metrics, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    scores = run.scores.filter(
        pc.is_in(run.scores.column("probe_id"), value_set=pa.array(frame["probe_id"], pa.string()))
    )
    target = frame[frame["arm"] == "target"]
    suite = mapping(mapping(run.manifest.get("suites")).get(shown_task))
    return TaskView(
        task=shown_task,
        title=text_of(suite.get("title")),
        asks=text_of(suite.get("asks")),
        unit=next(
            (row["scale"] for row in found if row["metric"] == "expected_number" and row["scale"] != "ratio"), None
        ),
        threshold=suite.get("threshold") if isinstance(suite.get("threshold"), int | float) else None,
        judged=bool(ruled),
        outcome=_outcome(verdicts, run.rule_outcomes),
        output_form=form,
        main_metric=main,
        harm=tuple(str(letter) for letter in suite.get("harm") or ()),
        templates=int(target["template_id"].nunique()),
        blocks=int(target["block_id"].nunique()),
        categories=int(target["category"].nunique()),
        arms={str(arm): int(count) for arm, count in frame["arm"].value_counts().sort_index().items()},
        returned=_returned(frame, scores, main),
        controls=controls,
        placebos=of.placebos(found),
        noise=noise(found, main, float(gate["alpha"])),
        answer_mass=_answer_mass(scores, set(target["probe_id"]), float(gate["min_answer_mass"])),
        gaps=gaps,
        rules=rules,
        levels=of.level_tables(found, ordered),
        by_category=of.category_tables(found, _level_metric(main, metrics)),
        pairs=pairs,
    )


def _outcome(verdicts: Sequence[Row], known: Mapping[str, str]) -> str | None:
    """The worst outcome of a task's rules as the gate states them; those that only warn count where no others are."""
    active = [row for row in verdicts if row["level"] != "off"]
    ruling = [row for row in active if row["level"] == "error"] or active
    found = {known.get(row["rule"], row["outcome"]) for row in ruling}
    return min(found, key=lambda outcome: WORST_FIRST.index(outcome) if outcome in WORST_FIRST else 0, default=None)


def _level_metric(main: str | None, metrics: set[str]) -> str | None:
    """Levels of a decision are read as probabilities, not as log-odds; of a derived metric as what it is made from."""
    main = main and main.partition(":")[0]
    return "p_favourable" if main == "log_odds" and "p_favourable" in metrics else main


def _returned(frame: pd.DataFrame, scores: pa.Table, main: str | None) -> Returned:
    statuses = (
        scores.filter(pc.equal(scores.column("metric"), (main or "").partition(":")[0])).column("status").to_pylist()
    )
    return Returned(
        probes=len(frame),
        completions=int(frame["completions"].sum()),
        errors=int(frame["errors"].sum()),
        statuses=dict(sorted(Counter(statuses).items())),
    )


def _answer_mass(scores: pa.Table, probes: set[str], threshold: float) -> AnswerMass | None:
    import numpy as np

    rows = scores.filter(pc.and_(pc.equal(scores.column("metric"), "answer_mass"), pc.is_valid(scores.column("value"))))
    rows = rows.filter(pc.is_in(rows.column("probe_id"), value_set=pa.array(sorted(probes), pa.string())))
    if not rows.num_rows:
        return None
    values = rows.column("value").to_numpy()
    return AnswerMass(
        n=len(values),
        median=float(np.median(values)),
        low_decile=float(np.quantile(values, 0.1)),
        threshold=threshold,
        share_below=float(np.mean(values < threshold)),
    )


def _axes(
    personas: pa.Table, reference: Mapping[str, str]
) -> tuple[tuple[str, str | None, str | None, tuple[tuple[str, int], ...]], ...]:
    counts: Counter[tuple[str, str, str]] = Counter()
    for row in personas.select(["cue_channel", "attributes"]).to_pylist():
        for axis, group in row["attributes"]:
            if not axis.startswith(LABEL_FREE):
                counts[(visible(axis), row["cue_channel"], visible(group))] += 1
    keys = sorted({(axis, channel) for axis, channel, _ in counts}, key=lambda key: (axis_order(key[0]), key[1]))
    return tuple(
        (
            axis,
            channel,
            reference.get(axis),
            tuple((group, n) for (held, where, group), n in sorted(counts.items()) if (held, where) == (axis, channel)),
        )
        for axis, channel in keys
    )


def _subject(manifest: Row, run: RunFolder) -> Subject:
    rows = {name: getattr(run, name).num_rows for name in ("personas", "probes", "completions", "scores")}
    rows |= {"findings": len(run.findings), "verdicts": len(run.verdicts)}
    checked = mapping(mapping(manifest.get("tables")).get("checks")).get("rows")
    rows |= {"checks": checked} if isinstance(checked, int) else {}
    return subject_of(manifest, rows)
