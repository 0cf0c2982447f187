"""Verdicts of a run that is looked at while it grows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from audit import tables
from audit.config import Config, GateConfig
from audit.gate import decide, decide_looks, overall, to_json, undecided
from tests.test_gate import a_control, a_finding, a_rule


def config_of(*rules):
    return Config(gate=GateConfig(preset="none", rules=rules))


def look(*rows):
    return tables.from_rows("findings", [*rows, a_control()])


OPEN = {"estimate": 0.15, "se": 0.1}
FAILS = {"estimate": 0.9, "se": 0.05}
PASSES = {"estimate": 0.0, "se": 0.01}


def test_a_comparison_keeps_the_verdict_of_the_look_that_decided_it():
    config = config_of(a_rule())
    first, second = look(a_finding(**FAILS)), look(a_finding(**OPEN))
    (row,) = decide_looks([first, second], config, planned=3)[0].to_pylist()
    assert (row["outcome"], row["look"]) == ("fail", 1)
    assert "Decided at look 1 of 3" in row["reason"]


def test_an_undecided_comparison_has_the_last_look():
    (row,) = decide_looks([look(a_finding(**OPEN))] * 2, config_of(a_rule()), planned=3)[0].to_pylist()
    assert (row["outcome"], row["look"]) == ("inconclusive", 2)
    assert "Not decided after 2 of 3 looks" in row["reason"]


def test_every_look_tests_at_its_share_of_alpha():
    # The 95 % interval just excludes the tolerance: enough for one test, not for one of three looks.
    se, df = 0.1, 20
    estimate = 0.2 + (stats.t.ppf(0.975, df) + 0.01) * se
    table, config = look(a_finding(estimate=estimate, se=se, df=df)), config_of(a_rule(group="female"))
    # In the same family as its difference test Holm leaves the larger p alone.
    alone = decide(table, config).to_pylist()[0]
    one_of_three = decide(table, config, looks=3).to_pylist()[0]
    assert alone["outcome"] == "fail"
    assert one_of_three["outcome"] == "inconclusive"
    assert decide(table, config, looks=3).to_pylist()[0]["mde"] > alone["mde"]


def test_passing_at_a_look_takes_the_wider_interval():
    se, df = 0.1, 20
    tolerance = (stats.t.ppf(0.95, df) + 0.01) * se
    table, config = look(a_finding(estimate=0.0, se=se, df=df)), config_of(a_rule(tolerance=tolerance))
    assert decide(table, config).to_pylist()[0]["outcome"] == "pass"
    assert decide(table, config, looks=3).to_pylist()[0]["outcome"] == "inconclusive"


def test_false_alarms_over_three_looks_stay_below_alpha():
    rng, config, alarms = np.random.default_rng(5), config_of(a_rule(tolerance=1e-9)), 0
    runs = 400
    for _ in range(runs):
        steps = rng.normal(size=3)
        means = np.cumsum(steps) / np.arange(1, 4)
        looks = [
            look(a_finding(estimate=mean, se=1 / np.sqrt(n), df=1e6)) for n, mean in zip((1, 2, 3), means, strict=True)
        ]
        alarms += decide_looks(looks, config, planned=3)[0].to_pylist()[0]["outcome"] == "fail"
    assert alarms / runs <= 0.05 + 1.64 * np.sqrt(0.05 * 0.95 / runs)


@pytest.mark.parametrize(("numbers", "left"), [(OPEN, {("refund", "gender")}), (FAILS, set()), (PASSES, set())])
def test_only_an_open_rule_needs_more(numbers, left):
    config = config_of(a_rule())
    assert undecided(decide_looks([look(a_finding(**numbers))], config, planned=3)[0], config) == left


def test_one_failed_group_decides_its_rule():
    config = config_of(a_rule(axis="race"))
    rows = [
        a_finding(axis="race", group="black", reference="white", **FAILS),
        a_finding(axis="race", group="asian", reference="white", **OPEN),
    ]
    assert undecided(decide_looks([look(*rows)], config, planned=3)[0], config) == set()


def test_too_few_templates_may_become_enough_and_too_few_names_may_not():
    config = config_of(a_rule())
    few_templates = look(a_finding(**OPEN | {"n_templates": 8}))
    few_names = look(a_finding(**OPEN | {"n_personas": 4}))
    assert undecided(decide_looks([few_templates], config, planned=3)[0], config) == {("refund", "gender")}
    assert undecided(decide_looks([few_names], config, planned=3)[0], config) == set()


def test_the_evidence_has_the_figures_of_the_deciding_look():
    import json

    config, first, second = config_of(a_rule()), look(a_finding(**FAILS)), look(a_finding(**OPEN))
    verdicts, judged = decide_looks([first, second], config, planned=3)
    evidence = json.loads(to_json(verdicts, judged, overall(verdicts)))
    assert evidence["verdicts"][0]["finding"]["estimate"] == 0.9
    assert evidence["verdicts"][0]["look"] == 1


def test_a_fail_at_a_later_look_overrides_an_earlier_pass():
    looks = [look(a_finding(**PASSES)), look(a_finding(**FAILS))]
    (row,) = decide_looks(looks, config_of(a_rule()), planned=3)[0].to_pylist()
    assert (row["outcome"], row["look"]) == ("fail", 2)


def test_a_control_that_dies_takes_an_earlier_pass_away():
    dead = tables.from_rows("findings", [a_finding(**PASSES), a_control(0.01)])
    (row,) = decide_looks([look(a_finding(**PASSES)), dead], config_of(a_rule()), planned=3)[0].to_pylist()
    assert (row["outcome"], row["look"]) == ("void", 2)


def test_a_pass_stands_where_the_last_look_is_merely_wider():
    looks = [look(a_finding(**PASSES)), look(a_finding(**OPEN))]
    (row,) = decide_looks(looks, config_of(a_rule()), planned=3)[0].to_pylist()
    assert (row["outcome"], row["look"]) == ("pass", 1)
