from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import ConfigError
from audit.mitigation.decisions.figures import Figure
from audit.mitigation.decisions.rule import Curve, DecisionRule, mixture, read_rule

COMMON: dict[str, Any] = {
    "task": "refund_decision",
    "locale": "en",
    "axis": "gender",
    "groups": ("female", "male"),
    "reference": "male",
    "favourable": "yes",
    "constraint": "demographic-parity",
    "tolerance": 0.05,
    "labels": "own",
    "salt": "5a17",
    "figures": (Figure("accuracy", "before", None, None, None, 1.0, None, None, 7),),
    "notes": ("One.",),
}
BLIND = DecisionRule(
    method="exponentiated-gradient", curves={"everyone": Curve(0.1, ((-0.5, 0.5), (0.25, 1.0)))}, **COMMON
)
SIGHTED = DecisionRule(
    method="threshold-optimizer",
    curves={"female": Curve(0.0, ((0.5, 1.0),)), "male": Curve(0.0, ((0.0, 0.9),))},
    model={"name": "m", "weights_sha256": "ab"},
    **COMMON,
)


@pytest.mark.parametrize("rule", [BLIND, SIGHTED])
def test_a_rule_survives_its_file(rule: DecisionRule) -> None:
    assert DecisionRule.from_json(rule.to_json()) == rule


def test_the_chance_is_that_of_the_last_threshold_passed() -> None:
    assert [BLIND.decide(x) for x in (-40.0, -0.5, -0.4, 0.25, 0.26, 40.0)] == [0.1, 0.1, 0.5, 0.5, 1.0, 1.0]


def test_a_rule_for_everyone_does_not_look_at_the_group() -> None:
    assert BLIND.decide(0.0, "female") == BLIND.decide(0.0, "male") == BLIND.decide(0.0)


def test_a_rule_by_group_decides_about_nobody_of_another() -> None:
    assert (SIGHTED.decide(0.3, "female"), SIGHTED.decide(0.3, "male")) == (0.0, 0.9)
    for group in (None, "other"):
        with pytest.raises(ConfigError, match="known are female, male"):
            SIGHTED.decide(0.3, group)


def test_a_case_without_log_odds_is_no_case_for_a_rule() -> None:
    with pytest.raises(ConfigError, match="let a person decide"):
        BLIND.decide(math.nan)


@pytest.mark.parametrize(
    "curve",
    [
        (0.5, ((0.0, 0.4),)),  # a higher log-odds would be worth less
        (0.0, ((1.0, 0.5), (0.0, 1.0))),
        (0.0, ((0.0, 0.5), (0.0, 1.0))),
        (-0.1, ()),
        (0.0, ((math.inf, 1.0),)),
        (math.nan, ()),
    ],
)
def test_a_curve_that_does_not_rise_is_refused(curve: tuple[float, tuple[tuple[float, float], ...]]) -> None:
    with pytest.raises(ConfigError, match="fit the rule again"):
        Curve(*curve)


@given(
    st.lists(
        st.tuples(st.floats(0.001, 1), st.floats(-5, 5) | st.sampled_from([-math.inf, math.inf])),
        min_size=1,
        max_size=8,
    ),
    st.floats(-6, 6),
)
def test_a_mixture_gives_the_weight_of_the_thresholds_passed(parts: list[tuple[float, float]], odds: float) -> None:
    passed = math.fsum(weight for weight, threshold in parts if odds > threshold)
    assert mixture(parts)(odds) == pytest.approx(passed / math.fsum(weight for weight, _ in parts))


def test_whoever_passes_every_threshold_is_never_drawn() -> None:
    assert mixture([(0.1, -1.0)] * 3 + [(0.7, 0.5)]).steps[-1] == (0.5, 1.0)
    assert mixture([(0.3, -math.inf), (0.3, -math.inf)]) == Curve(1.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "evenhand-decision-rule-0"}, "format"),
        ({"curves": {"everyone": {"below": 2.0, "steps": []}}}, "probability within 0 and 1"),
        ({"curves": {"female": {"below": 0.0, "steps": []}}}, "curves: must be of everyone"),
        ({"uses_protected_attribute": True}, "does not fit the method"),
        ({"threshold": 1}, "unknown key"),
        ({"method": "grid-search"}, "method"),
    ],
)
def test_a_file_that_was_tampered_with_is_one_clear_line(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "rule.json"
    path.write_text(json.dumps(json.loads(BLIND.to_json()) | change), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"rule\.json: .*{said}"):
        read_rule(path)


@pytest.mark.parametrize("text", ["", "[1]", "{", "null"])
def test_what_is_no_rule_is_one_clear_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "rule.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"rule\.json: "):
        read_rule(tmp_path)
    with pytest.raises(ConfigError, match="no such file"):
        read_rule(tmp_path / "other.json")


def test_a_rule_must_have_a_curve_for_each_group() -> None:
    with pytest.raises(ConfigError, match="curves: must be of female, male"):
        replace(SIGHTED, curves={"female": Curve(0.0)})
