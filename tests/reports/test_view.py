from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from audit import tables
from audit.errors import ConfigError
from reports import build_view
from reports.pairs import MOST
from reports.values import ReportView, TaskView
from reports.wording import Wording

Make = Callable[..., Path]


def task(view: ReportView, name: str) -> TaskView:
    return next(task for task in view.tasks if task.task == name)


@pytest.mark.parametrize("kind", ["pass", "fail", "dead"])
def test_verdict_is_that_of_the_evidence_file(run_folder: Make, kind: str) -> None:
    folder = run_folder(kind)
    evidence = json.loads((folder / "verdicts.json").read_text(encoding="utf-8"))
    view = build_view(folder)
    assert (view.overall.outcome, view.overall.exit_code, view.overall.sentence) == (
        evidence["outcome"],
        evidence["exit_code"],
        evidence["sentence"],
    )
    assert len(view.rules) == len(evidence["verdicts"])


def test_gaps_carry_the_values_of_findings(run_folder: Make) -> None:
    folder = run_folder("fail")
    rows = {row["finding_id"]: row for row in tables.read("findings", folder / "findings.parquet").to_pylist()}
    gaps = [gap for found in build_view(folder).tasks for gap in found.gaps]
    contrasts = [row for row in rows.values() if row["kind"] == "contrast" and row["arm"] == "target"]
    assert len(gaps) == len(contrasts)
    for gap in gaps:
        row = rows[gap.finding_id]
        for name in ("estimate", "ci_low", "ci_high", "group", "reference", "n_cells", "n_templates", "n_personas"):
            assert getattr(gap, name) == row[name]


def test_each_rule_has_the_outcome_of_verdicts(run_folder: Make) -> None:
    folder = run_folder("fail")
    rows = {
        (r["rule"], r["finding_id"]): r["outcome"]
        for r in tables.read("verdicts", folder / "verdicts.parquet").to_pylist()
    }
    assert {(rule.rule, rule.finding_id): rule.outcome for rule in build_view(folder).rules} == rows


def test_gap_is_shown_as_a_share_of_an_alive_control(run_folder: Make) -> None:
    found = task(build_view(run_folder("fail")), "refund_decision")
    control = next(c for c in found.controls if c.metric == "log_odds")
    gap = next(g for g in found.gaps if g.metric == "log_odds" and g.group == "black_female")
    assert control.state == "alive"
    assert gap.share_of_control == pytest.approx(gap.estimate / control.estimate)


def test_dead_control_gives_no_share_and_no_verdict(run_folder: Make) -> None:
    found = task(build_view(run_folder("dead")), "refund_decision")
    assert {control.state for control in found.controls} == {"dead"}
    assert found.void
    assert all(gap.share_of_control is None for gap in found.gaps)


def test_levels_are_those_of_findings_with_the_reference_first(run_folder: Make) -> None:
    folder = run_folder("pass")
    rows = tables.read("findings", folder / "findings.parquet").to_pylist()
    table = next(t for t in task(build_view(folder), "refund_decision").levels if t.axis == "race")
    assert table.rows[0][0] == "white"
    wanted = {
        row["group"]: row["estimate"]
        for row in rows
        if (row["kind"], row["task"], row["axis"], row["metric"], row["category"])
        == ("level", "refund_decision", "race", "p_favourable", None)
        and row["group"]
    }
    place = table.metrics.index("p_favourable")
    assert {group: levels[place].estimate for group, levels in table.rows if levels[place]} == wanted
    assert table.difference[place] == pytest.approx(max(wanted.values()) - min(wanted.values()))
    assert table.ratio[place] == pytest.approx(min(wanted.values()) / max(wanted.values()))


def test_answer_mass_counts_target_probes_below_the_threshold(run_folder: Make) -> None:
    mass = task(build_view(run_folder("pass")), "refund_decision").answer_mass
    assert mass is not None
    assert 0.5 < mass.median < 0.7
    assert mass.threshold == 0.1


def test_pairs_share_a_block_and_span_group_and_reference(run_folder: Make) -> None:
    folder = run_folder("fail", names=4)
    scores = {
        (r["probe_id"], r["metric"]): r["value"] for r in tables.read("scores", folder / "scores.parquet").to_pylist()
    }
    view = build_view(folder)
    assert 0 < sum(len(found.pairs) for found in view.tasks) <= MOST
    for found in view.tasks:
        assert found.pairs
        sizes = [abs(pair.difference) for pair in found.pairs]
        assert sizes == sorted(sizes, reverse=True)
        for pair in found.pairs:
            assert pair.left.group != pair.right.group
            assert pair.prompts[0].replace(pair.left.cue, "") == pair.prompts[1].replace(pair.right.cue, "")
            assert pair.left.value in {value for (_, metric), value in scores.items() if metric == pair.metric}


def test_worst_pair_of_a_block_is_the_most_distant_one(run_folder: Make) -> None:
    folder = run_folder("pass")
    probes = tables.read("probes", folder / "probes.parquet").to_pylist()
    people = {
        r["persona_id"]: dict(r["attributes"]) for r in tables.read("personas", folder / "personas.parquet").to_pylist()
    }
    scores = {
        r["probe_id"]: r["value"]
        for r in tables.read("scores", folder / "scores.parquet").to_pylist()
        if r["metric"] == "log_odds"
    }
    blocks: dict[str, dict[str, list[float]]] = {}
    for probe in probes:
        if probe["task"] == "refund_decision" and probe["arm"] == "target" and "gender" in people[probe["persona_id"]]:
            group = people[probe["persona_id"]]["gender"]
            blocks.setdefault(probe["block_id"], {}).setdefault(group, []).append(scores[probe["probe_id"]])
    largest = max(abs(a - b) for found in blocks.values() for a in found["female"] for b in found["male"])
    pairs = [pair for pair in task(build_view(folder), "refund_decision").pairs if pair.axis == "gender"]
    assert abs(pairs[0].difference) == pytest.approx(largest)


def test_refusals_are_counted_and_not_dropped(run_folder: Make) -> None:
    folder = run_folder("pass", names=4)
    found = task(build_view(folder), "service_reply")
    rows = [r for r in tables.read("scores", folder / "scores.parquet").to_pylist() if r["metric"] == "tone"]
    ids = {
        r["probe_id"]
        for r in tables.read("probes", folder / "probes.parquet").to_pylist()
        if r["task"] == "service_reply"
    }
    assert found.returned.statuses["refused"] == sum(r["status"] == "refused" for r in rows if r["probe_id"] in ids) > 0


def test_missing_manifest_is_shown_as_not_recorded(run_folder: Make) -> None:
    from reports.html import render

    view = build_view(run_folder("pass", manifest=False))
    assert view.subject.created is None
    assert "not recorded" in render(view)


@pytest.mark.parametrize("content", ["[]", '{"outcome": "pass"}', "not json", '{"outcome": "pass", "sentence": "x"}'])
def test_broken_evidence_is_one_clear_error(run_folder: Make, tmp_path: Path, content: str) -> None:
    folder = shutil.copytree(run_folder("pass"), tmp_path / "run")
    (folder / "verdicts.json").write_text(content, encoding="utf-8")
    (folder / "verdicts.parquet").unlink()
    with pytest.raises(ConfigError, match=r"verdicts\.json: ") as caught:
        build_view(folder)
    assert "\n" not in str(caught.value)


def test_verdicts_are_read_from_json_where_there_is_no_table(run_folder: Make, tmp_path: Path) -> None:
    folder = shutil.copytree(run_folder("fail"), tmp_path / "run")
    whole = build_view(folder)
    (folder / "verdicts.parquet").unlink()
    assert build_view(folder) == whole


def test_missing_table_names_the_file(run_folder: Make, tmp_path: Path) -> None:
    folder = shutil.copytree(run_folder("pass"), tmp_path / "run")
    (folder / "findings.parquet").unlink()
    with pytest.raises(ConfigError, match=r"findings\.parquet"):
        build_view(folder)


@pytest.mark.parametrize(
    "manifest", ['{"config": [], "model": 3, "tables": {"probes": null}, "stages": [1], "seed": {}}', "{}"]
)
def test_odd_manifest_does_no_harm(run_folder: Make, tmp_path: Path, manifest: str) -> None:
    from reports.html import render

    folder = shutil.copytree(run_folder("pass"), tmp_path / "run")
    (folder / "manifest.json").write_text(manifest, encoding="utf-8")
    assert "not recorded" in render(build_view(folder))


def test_a_gap_of_an_explicit_cue_names_what_irrelevant_sentences_do(run_folder: Make) -> None:
    view = build_view(run_folder("pass"))
    w = Wording(str)
    found = task(view, "refund_decision")
    gap = next(gap for gap in found.gaps if gap.metric == "log_odds")
    assert w.floor(found, replace(gap, floor=None)) == ""
    told = w.floor(found, replace(gap, floor=0.31))
    assert told.startswith("Irrelevant sentences of its shape move the answer by 0.31")
