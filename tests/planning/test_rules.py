from __future__ import annotations

import math
from typing import Any

import pytest

from audit import tables
from audit.config import Config, RuleConfig, load_config
from audit.gate import decide
from audit.planning import Known, RulePlan, defaults, from_run
from audit.planning.rules import Levels, rule_plans
from audit.probes import expand
from audit.statistics import (
    Components,
    boundary_error,
    design_error,
    minimum_detectable_gap,
    smallest_equivalence_tolerance,
)

PARTS = Components(template=0.2, persona=0.15, noise=0.3)


def planned(config: Config, parts: Components, *, looks: int = 1) -> tuple[tuple[RulePlan, ...], Levels]:
    """The rules of a config where every metric has these components."""
    channels = [
        (metric, channel)
        for metric in ("log_odds", "expected_number", "tone", "refusal")
        for channel in ("name", "explicit")
    ]
    known = Known("made up", dict.fromkeys(channels, parts))
    personas, probes = expand(config)
    return rule_plans(probes, personas, config, known, looks=looks)


def with_rules(config: Config, *changes: dict[str, Any]) -> Config:
    rule = {"task": "refund_decision", "metric": "log_odds", "axis": "gender", "tolerance": 0.2}
    rules = tuple(RuleConfig(**{"name": f"rule {n}"} | rule | change) for n, change in enumerate(changes))
    return config.model_copy(update={"gate": config.gate.model_copy(update={"rules": rules})})


def test_every_rule_of_the_preset_gets_its_groups_and_figures() -> None:
    personas, probes = expand(Config())
    rows, _ = rule_plans(probes, personas, Config(), defaults())
    assert {row.rule for row in rows} >= {"refund-gender", "discount-race-gender", "discount-age", "reply-refusal-race"}
    judged = [row for row in rows if not row.note]
    assert {row.group for row in judged if row.rule == "refund-age"} == {"older", "young"}
    assert all(row.se and row.mde and row.granted and row.can_pass is not None for row in judged)
    assert [row for row in rows if row.note and not row.note.startswith("no verdict below")] == []


def test_the_tests_are_those_that_the_gate_does(refunds: Config, make_run: Any) -> None:
    config = with_rules(refunds, {}, {"tolerance": 0.5}, {"tolerance": 0.5, "group": "female"}, {"level": "off"})
    folder = make_run(config, PARTS)
    findings = tables.read("findings", folder / "findings.parquet")
    told = decide(findings, config).to_pylist()
    (contrast,) = [
        row
        for row in findings.to_pylist()
        if (row["arm"], row["statistic"], row["metric"], row["axis"]) == ("target", "contrast", "log_odds", "gender")
    ]
    _, levels = planned(config, PARTS)
    assert (levels.tests, levels.claims) == (3, 2)  # one difference, two tolerances
    assert len(told) == 3
    for row in told:
        assert row["mde"] == pytest.approx(
            minimum_detectable_gap(contrast["se"], contrast["df"], tests=levels.tests), rel=1e-9
        )


def test_looks_share_alpha(refunds: Config) -> None:
    once, thrice = planned(refunds, PARTS)[1], planned(refunds, PARTS, looks=3)[1]
    assert (thrice.tests, thrice.claims) == (3 * once.tests, 3 * once.claims)


def test_the_figures_are_those_of_the_formulas(refunds: Config) -> None:
    (row,), levels = planned(refunds, PARTS)
    se, df = design_error(PARTS, templates=row.templates, blocks=row.templates, personas=24)
    assert (row.personas, row.cells) == (24, 24 * row.templates)
    assert (row.se, row.df) == (pytest.approx(se, rel=1e-9), pytest.approx(df, rel=1e-9))
    assert row.mde == pytest.approx(minimum_detectable_gap(se, df, tests=levels.tests), rel=1e-9)
    assert row.granted == pytest.approx(smallest_equivalence_tolerance(se, df, alpha=0.05 / levels.claims), rel=1e-9)


def test_decisions_in_a_lower_precision_have_its_noise(refunds: Config) -> None:
    coarse = refunds.changed("model", decision_precision="bfloat16")
    (row,), _ = planned(coarse, Components(persona=0.1))
    parts = Components(persona=0.1, noise=0.07)
    assert row.se == pytest.approx(design_error(parts, templates=row.templates, blocks=row.templates, personas=24)[0])


@pytest.mark.parametrize("tolerance", [0.1, 0.14, 0.2])
def test_what_it_takes_is_enough_and_one_less_is_not(refunds: Config, tolerance: float) -> None:
    (row,), levels = planned(with_rules(refunds, {"tolerance": tolerance}), PARTS)
    assert row.more_templates is not None and row.more_personas is not None

    def reached(templates: int, personas: int) -> bool:
        se, df = design_error(PARTS, templates=templates, blocks=templates, personas=personas)
        granted = smallest_equivalence_tolerance(se, df, alpha=0.05 / levels.claims)
        return max(granted, minimum_detectable_gap(se, df, tests=levels.tests)) <= tolerance

    templates, personas = row.templates + row.more_templates, row.personas + row.more_personas
    assert reached(templates, personas)
    assert not row.more_templates or not reached(templates - 1, personas)
    assert not row.more_personas or not reached(templates, personas - 1)
    assert (row.more_templates, row.more_personas) != (0, 0) or row.can_pass


def test_a_tolerance_below_what_names_allow_is_out_of_reach(refunds: Config) -> None:
    (row,), _ = planned(with_rules(refunds, {"tolerance": 1e-4}), Components(persona=1.0, noise=0.1))
    assert (row.can_pass, row.more_personas) == (False, None)
    assert "out of reach" in row.note


def test_a_rule_that_covers_nothing_says_so(refunds: Config) -> None:
    (row,), levels = planned(with_rules(refunds, {"axis": "height"}), PARTS)
    assert (row.se, row.can_pass, levels.tests) == (None, None, 0)
    assert "covers nothing" in row.note


def test_a_metric_without_components_says_so(refunds: Config) -> None:
    (row,), _ = planned(with_rules(refunds, {"metric": "warmth"}), PARTS)
    assert row.mde is None
    assert "no variance components of warmth" in row.note


def test_too_few_names_are_in_no_family_and_say_how_many_are_lacking(refunds: Config) -> None:
    strict = refunds.changed("gate", min_personas=30)
    (row,), levels = planned(strict, PARTS)
    assert (row.mde, row.more_personas, row.more_templates, levels.tests) == (None, 6, 0, 0)
    assert row.note == "no verdict below 30 names"


def test_a_sample_of_texts_is_enlarged_before_names_are_asked_for() -> None:
    config = Config().changed("run", tasks=["service_reply"])
    personas, probes = expand(config)
    known = Known("made up", {("tone", "name"): Components(noise=0.3), ("refusal", "name"): Components(noise=0.1)})
    rows, _ = rule_plans(probes, personas, config, known)
    row = next(row for row in rows if row.rule == "reply-tone-gender")
    assert (row.can_pass, row.more_personas, row.more_templates) == (False, 0, 0)
    assert row.sample is not None and 180 < row.sample < 13 * 114
    larger = config.changed("run", sample=round(1.03 * row.sample))
    personas, probes = expand(larger)
    again, _ = rule_plans(probes, personas, larger, known)
    assert next(row for row in again if row.rule == "reply-tone-gender").can_pass


def test_rates_are_planned_with_the_spread_of_their_boundary() -> None:
    config = Config().changed("run", tasks=["service_reply"])
    personas, probes = expand(config)
    known = Known("made up", {("refusal", "name"): Components(noise=1e-3)})
    rows, levels = rule_plans(probes, personas, config, known)
    row = next(row for row in rows if row.rule == "reply-refusal-gender")
    least = boundary_error(row.tolerance, row.cells)
    assert row.se is not None and row.se < least / 10
    assert row.granted == pytest.approx(
        smallest_equivalence_tolerance(least, row.df or math.nan, alpha=0.05 / levels.claims)
    )


def test_a_run_foresees_its_own_standard_error(refunds: Config, make_run: Any) -> None:
    ratios = []
    for seed in range(3):
        folder = make_run(refunds, PARTS, seed=seed)
        known = from_run(folder, refunds, level=math.nan)
        personas, probes = expand(refunds)
        (row,), _ = rule_plans(probes, personas, refunds, known)
        (found,) = [
            finding
            for finding in tables.read("findings", folder / "findings.parquet").to_pylist()
            if (finding["arm"], finding["statistic"], finding["metric"]) == ("target", "contrast", "log_odds")
        ]
        assert row.source == "this contrast in the run"
        ratios.append((row.se or 0.0) / found["se"])
    assert all(abs(ratio - 1) < 0.05 for ratio in ratios), ratios


def test_a_plan_from_a_run_is_more_careful_than_its_estimate(refunds: Config, make_run: Any) -> None:
    folder = make_run(refunds, PARTS)
    personas, probes = expand(refunds)
    plain, careful = (
        rule_plans(probes, personas, refunds, from_run(folder, refunds, level=level))[0][0] for level in (math.nan, 0.8)
    )
    assert (careful.se or 0) > 1.02 * (plain.se or 1)


def test_the_configs_own_rules_are_planned(tmp_path: Any) -> None:
    path = tmp_path / "evenhand.toml"
    rule = (
        '[[gate.rules]]\nname = "mine"\ntask = "discount"\nmetric = "expected_number"\naxis = "gender"\ntolerance = 2.0'
    )
    path.write_text(f'[run]\ntasks = ["discount"]\n{rule}\n', encoding="utf-8")
    rows, _ = planned(load_config(path), PARTS)
    assert [(row.scale, row.tolerance) for row in rows if row.rule == "mine"] == [("percentage points", 2.0)]
