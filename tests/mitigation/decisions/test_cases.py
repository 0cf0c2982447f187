from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from audit import pipeline
from audit.config import Config, parse
from audit.errors import ConfigError
from audit.manifest import Manifest
from audit.mitigation.decisions.cases import Cases, only_task, open_run, read_cases
from tests.mitigation.decisions.conftest import BIASED, golden, scored

HOW: dict[str, Any] = {
    "task": "refund_decision",
    "axis": "gender",
    "constraint": "demographic-parity",
    "labels": None,
}


def cases_of(folder: Path, **changes: Any) -> Cases:
    return read_cases(open_run(folder), **(HOW | changes))


def test_cases_are_the_scored_target_decisions_of_the_axis(biased: Path) -> None:
    cases, run = cases_of(biased), open_run(biased)
    women = {
        persona
        for persona, of in zip(
            *(run.table("personas")[c].to_pylist() for c in ("persona_id", "attributes")), strict=True
        )
        if dict(of).get("gender") == "female"
    }
    probes = run.table("probes").filter(pc.equal(run.table("probes")["arm"], "target"))
    asked = {row["probe_id"] for row in probes.to_pylist() if row["persona_id"] in women}
    scores = [r for r in run.table("scores").to_pylist() if r["metric"] == "log_odds" and r["probe_id"] in asked]
    mine = cases.group == "female"
    assert sorted(cases.log_odds[mine]) == sorted(row["value"] for row in scores)
    assert (cases.groups, cases.reference, cases.favourable, cases.missing) == (("female", "male"), "male", "yes", 0)
    assert len(set(cases.stimulus[mine])) == len(women)


def test_without_gold_right_is_what_the_model_itself_decides(biased: Path) -> None:
    cases = cases_of(biased)
    assert cases.labels == "own"
    assert np.array_equal(cases.label, cases.log_odds > 0)


def test_constraints_on_the_deserving_go_by_the_case_without_a_person(biased: Path) -> None:
    cases = cases_of(biased, constraint="equalized-odds")
    assert cases.labels == "no-cue"
    assert np.array_equal(cases.label, cases.bare > 0)
    for block in set(cases.block):
        assert len(set(cases.label[cases.block == block])) == 1


def test_gold_is_taken_where_the_policy_gives_it(with_gold: Path, biased: Path) -> None:
    cases = cases_of(with_gold)
    assert cases.labels == "gold"
    assert np.array_equal(cases.label, cases_of(biased, labels="no-cue").label)


def test_a_policy_by_group_is_not_levelled_out(tmp_path: Path) -> None:
    run = golden(tmp_path, lambda _: 'gold = { default = "no", "gender=female" = "yes" }')
    with pytest.raises(ConfigError, match="different options in one case, which demographic parity would level"):
        cases_of(run)
    assert cases_of(run, constraint="true-positive-rate-parity").labels == "gold"


def test_answers_without_log_odds_are_counted(tmp_path: Path) -> None:
    run = scored(f"{BIASED},missing=0.1", tmp_path / "run")
    cases = cases_of(run)
    assert 100 < cases.missing < 400
    assert cases.log_odds.size + cases.missing == 2184
    assert not np.isnan(cases.log_odds).any()


def test_some_groups_may_be_chosen(biased: Path) -> None:
    cases = cases_of(biased, axis="race", groups=("east_asian", "black"))
    assert set(cases.group) == {"black", "east_asian"}
    assert cases.reference == "black"  # white, the persona file's own, was not chosen


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"task": "nope"}, "no decisions of task 'nope'; known are refund_decision"),
        ({"axis": "nope"}, "the axis 'nope'; known are age, gender, race, race_gender"),
        ({"axis": "irrelevant_01"}, "the axis"),
        ({"groups": ("male", "other")}, "no group 'other'; known are female, male"),
        ({"groups": ("male",)}, "a gap is between two groups"),
        ({"labels": "gold"}, "2184 decisions have no label 'gold'; all have no-cue, own"),
        ({"labels": "guess"}, "labels: unknown 'guess'"),
        ({"constraint": "parity"}, "constraint: unknown 'parity'"),
        ({"constraint": "equalized-odds", "labels": "own"}, "cannot say so; take --constraint demographic-parity"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(change: dict[str, Any], said: str, biased: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        cases_of(biased, **change)


def test_one_answer_for_all_leaves_nothing_to_learn(tmp_path: Path) -> None:
    run = scored("planted:base=20", tmp_path / "run")
    with pytest.raises(ConfigError, match="every case gets the favourable option"):
        cases_of(run)


PEOPLE = """
locale = "en"
reference = { gender = "male" }

[[names]]
attributes = { gender = "female" }
names = ["Megan", "Emily"]

[[names]]
attributes = { gender = "male" }
names = ["Todd", "Greg", "Brad"]
"""


def test_a_group_of_too_few_names_is_named(tmp_path: Path) -> None:
    (tmp_path / "people.toml").write_text(PEOPLE, encoding="utf-8")
    run = scored(BIASED, tmp_path / "run", personas=str(tmp_path / "people.toml"))
    with pytest.raises(ConfigError, match="group 'female' has 2 names or phrasings, too few"):
        cases_of(run)


def test_a_run_without_decisions_says_so(tmp_path: Path) -> None:
    settings = {"tasks": ["discount"], "manipulation": False}
    config = parse(Config, {"model": {"name": "planted:null"}, "run": settings}, "test")
    run = pipeline.start(config, tmp_path / "run")
    pipeline.complete(run)
    pipeline.score(run)
    with pytest.raises(ConfigError, match="asked for no decision"):
        only_task(open_run(tmp_path / "run"))


def test_the_only_task_need_not_be_named(biased: Path) -> None:
    assert only_task(open_run(biased)) == "refund_decision"


def test_a_folder_that_is_no_finished_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a run folder"):
        open_run(tmp_path)
    manifest = Manifest(tmp_path, {"kind": "privacy", "config": {}})
    manifest.save()
    with pytest.raises(ConfigError, match="is a privacy audit"):
        open_run(tmp_path)
    manifest.data["kind"] = "fairness"
    manifest.save()
    with pytest.raises(ConfigError, match="has no scores yet"):
        open_run(tmp_path)
