from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from audit.cli import main
from audit.errors import ConfigError
from audit.mitigation.decisions import DecisionRule, Figure, card, export_rule, findings, fit_rule, mend, read_rule
from audit.mitigation.decisions.cases import Cases
from audit.mitigation.decisions.figures import figures_of
from tests.mitigation.decisions.test_rule import BLIND, SIGHTED

BY_GROUP: dict[str, Any] = {"axis": "gender", "method": "threshold-optimizer"}


def figure(rule: DecisionRule, metric: str, stage: str, group: str | None = None) -> Figure:
    alike = [f for f in rule.figures if (f.metric, f.stage) == (metric, stage)]
    [found] = [f for f in alike if (f.reference is None) == (group is None) and f.group in (group, None)]
    return found


@pytest.fixture(scope="session")
def blind(biased: Path) -> DecisionRule:
    return fit_rule(biased, axis="gender")


@pytest.fixture(scope="session")
def sighted(biased: Path) -> DecisionRule:
    return fit_rule(biased, labels="no-cue", **BY_GROUP)


def test_one_rule_for_everyone_narrows_a_planted_gap_and_pays_in_decisions(blind: DecisionRule) -> None:
    before, after = (figure(blind, "selection_rate", stage, "female") for stage in ("before", "after"))
    change = figure(blind, "selection_rate", "change", "female")
    assert before.estimate > 0.2
    assert abs(after.estimate) < before.estimate / 2
    assert change.ci_high is not None
    assert change.ci_high < 0
    assert 0.05 < figure(blind, "changed", "change").estimate < 0.25
    assert not blind.uses_protected_attribute


def test_a_rule_by_group_finds_the_planted_half_and_closes_the_gap(sighted: DecisionRule) -> None:
    middle = {name: float(np.mean([t for t, _ in curve.steps])) for name, curve in sighted.curves.items()}
    assert middle["female"] - middle["male"] == pytest.approx(0.5, abs=0.1)
    after = figure(sighted, "selection_rate", "after", "female")
    assert abs(after.estimate) < 0.05
    assert after.ci_low is not None
    assert after.ci_high is not None
    assert after.ci_low < 0 < after.ci_high
    # Right is the case without a person: to take the lean out makes more decisions right.
    assert figure(sighted, "accuracy", "change").estimate > 0.02


def test_gold_closes_the_gaps_among_the_deserving_and_among_the_others(with_gold: Path) -> None:
    rule = fit_rule(with_gold, constraint="equalized-odds", **BY_GROUP)
    assert rule.labels == "gold"
    wrong = [figure(rule, "false_positive_rate", stage, "female").estimate for stage in ("before", "after")]
    assert wrong[0] > 0.3
    assert abs(wrong[1]) < 0.1
    assert abs(figure(rule, "true_positive_rate", "after", "female").estimate) < 0.1
    assert figure(rule, "accuracy", "change").estimate > 0


def test_an_even_model_is_left_as_it_is(even: Path) -> None:
    rule = fit_rule(even, axis="gender")
    assert figure(rule, "changed", "change").estimate < 0.02
    assert rule.decide(-0.05) == 0
    assert rule.decide(0.05) == 1
    assert "That it is smaller is not shown." in card(rule)


def test_the_same_run_gives_the_same_rule(biased: Path, sighted: DecisionRule) -> None:
    assert fit_rule(biased, labels="no-cue", **BY_GROUP) == sighted


def test_a_tolerance_out_of_range_is_refused(biased: Path) -> None:
    with pytest.raises(ConfigError, match="tolerance: 0 is none"):
        fit_rule(biased, axis="gender", tolerance=0)


def test_a_rule_by_group_is_not_exported_by_mistake(sighted: DecisionRule, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="add --uses-protected-attribute if that is meant"):
        export_rule(sighted, tmp_path / "rule")
    assert not (tmp_path / "rule").exists()
    export_rule(sighted, tmp_path / "rule", uses_protected_attribute=True)
    assert read_rule(tmp_path / "rule") == sighted
    told = (tmp_path / "rule" / "README.md").read_text(encoding="utf-8")
    assert "must be told the customer's gender whenever it decides" in told
    assert "unlawful disparate treatment" in told
    assert "no legal advice" in told


def test_a_rule_for_everyone_refuses_the_flag_that_it_has_no_use_for(blind: DecisionRule, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="decides without it; leave the flag out"):
        export_rule(blind, tmp_path, uses_protected_attribute=True)


def test_the_card_of_a_rule_for_everyone_says_what_it_cannot_mend(blind: DecisionRule) -> None:
    told = card(blind)
    assert "does not read gender" in told
    assert "only by going less by the model" in told
    assert "by lot" in told
    assert "Asked without a word about who asks" in told
    assert "The gap is smaller." in told


def applier(told: str) -> Callable[..., Any]:
    """The function of the card's first block of code, run as a service would."""
    code = re.findall(r"```python\n(.*?)```", told, re.DOTALL)
    space: dict[str, Any] = {}
    exec(code[0], space)
    return space["apply_rule"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", ["blind", "sighted"])
def test_the_function_of_the_card_decides_as_the_rule_does(kind: str, request: pytest.FixtureRequest) -> None:
    rule: DecisionRule = request.getfixturevalue(kind)
    data, apply = json.loads(rule.to_json()), applier(card(rule))
    thresholds = [t for curve in rule.curves.values() for t, _ in curve.steps]
    for odds in [-40.0, 40.0, *thresholds, *np.linspace(-2, 2, 41).tolist()]:
        for group in rule.groups:
            assert apply(data, odds, "a", group)[1] == rule.decide(odds, group)


def test_the_second_block_of_the_card_runs_beside_the_rule(
    sighted: DecisionRule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_rule(sighted, tmp_path, uses_protected_attribute=True)
    monkeypatch.chdir(tmp_path)
    code = re.findall(r"```python\n(.*?)```", (tmp_path / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    space: dict[str, Any] = {}
    exec("\n".join(code), space)
    assert space["chance"] == sighted.decide(0.3, "female")


def test_a_lot_is_the_same_for_the_same_case_and_falls_as_often_as_its_chance() -> None:
    data, apply = json.loads(BLIND.to_json()), applier(card(BLIND))
    drawn = [apply(data, 0.0, f"order-{number}")[0] for number in range(4000)]
    assert drawn == [apply(data, 0.0, f"order-{number}")[0] for number in range(4000)]
    assert np.mean(drawn) == pytest.approx(0.5, abs=0.03)  # 3.8 standard errors
    other = data | {"salt": "another"}
    agree = np.mean([a == apply(other, 0.0, f"order-{number}")[0] for number, a in enumerate(drawn)])
    assert agree == pytest.approx(0.5, abs=0.03)
    assert all(apply(data, 1.0, f"order-{number}") == (True, 1.0) for number in range(100))


def test_the_function_of_the_card_refuses_what_it_cannot_decide() -> None:
    apply = applier(card(SIGHTED))
    with pytest.raises(ValueError, match="let a person decide"):
        apply(json.loads(SIGHTED.to_json()), float("nan"), "a", "female")
    with pytest.raises(KeyError):
        apply(json.loads(SIGHTED.to_json()), 0.0, "a")


def test_a_gap_that_grew_is_said_aloud() -> None:
    gap = {"metric": "selection_rate", "group": "female", "reference": "male", "cue_channel": "name", "n": 9}
    stages = {"before": 0.1, "after": 0.3, "change": 0.2, "size": 0.2}
    figures = tuple(
        Figure(stage=stage, estimate=value, ci_low=value - 0.05, ci_high=value + 0.05, **gap)  # type: ignore[arg-type]
        for stage, value in stages.items()
    )
    assert any("The gap is LARGER" in line for line in findings(replace(BLIND, figures=figures)))
    turned = {"before": 0.2, "after": -0.02, "change": -0.22, "size": -0.18}
    figures = tuple(
        replace(f, estimate=turned[f.stage], ci_low=turned[f.stage] - 0.05, ci_high=turned[f.stage] + 0.05)
        for f in figures
    )
    assert any("The gap is smaller" in line for line in findings(replace(BLIND, figures=figures)))


def test_a_gap_that_only_changed_sides_is_not_called_smaller(made: Callable[..., Cases]) -> None:
    """From .5 to -.5 by decisions: the signed change is clear, the change of the size is not."""
    cases = made(noise=1.0)
    rng = np.random.default_rng(3)
    women = cases.group == "f"
    before, after = (
        (rng.random(women.size) < np.where(women, *chances)).astype(float) for chances in ((0.75, 0.25), (0.26, 0.74))
    )
    figures = figures_of(cases, before, after)
    change, size = (
        next(f for f in figures if f.reference and (f.metric, f.stage) == ("selection_rate", stage))
        for stage in ("change", "size")
    )
    assert change.ci_high is not None and change.ci_high < -0.5
    assert size.ci_low is not None and size.ci_high is not None
    assert size.ci_low < 0 < size.ci_high
    told = list(findings(replace(BLIND, figures=figures)))
    assert "That it is smaller is not shown." in told[0]
    assert DecisionRule.from_json(replace(BLIND, figures=figures).to_json()).figures == figures


def test_a_readme_that_is_no_rules_is_kept(blind: DecisionRule, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="would be lost"):
        export_rule(blind, tmp_path)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "mine"
    export_rule(blind, tmp_path / "new")
    export_rule(blind, tmp_path / "new")  # its own is replaced
    with pytest.raises(ConfigError, match="is a file"):
        export_rule(blind, tmp_path / "README.md")


def test_mending_without_leave_fits_nothing(biased: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from audit.mitigation.decisions import export

    monkeypatch.setattr(export, "fit_rule", lambda *args, **options: pytest.fail("was fitted"))
    with pytest.raises(ConfigError, match="--uses-protected-attribute"):
        mend(biased, tmp_path, **BY_GROUP)


def test_the_command_writes_a_rule_and_says_where(biased: Path, tmp_path: Path) -> None:
    given = ["mitigate", "decisions", str(biased), "--axis", "gender", "--method", "threshold-optimizer"]
    out = tmp_path / "rule"
    refused = CliRunner().invoke(main, [*given, "--out", str(out)])
    assert refused.exit_code == 2
    assert not out.exists()
    done = CliRunner().invoke(main, [*given, "--uses-protected-attribute", "--out", str(out)])
    assert (done.exit_code, done.exception) == (0, None) or isinstance(done.exception, SystemExit)
    assert f"rule    {out / 'rule.json'}" in done.stdout
    assert read_rule(out).uses_protected_attribute
