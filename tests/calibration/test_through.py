from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from audit.calibration.through import through_pipeline
from audit.planted import SCENARIOS, Design, Scenario

# Enough clusters for a verdict, and few enough cells that a run takes a moment.
SMALL = {"templates": 12, "blocks": 12, "personas": 10}


def small(name: str, **changes: object) -> Scenario:
    """The scenario ``name`` on a smaller design."""
    scenario = SCENARIOS[name]
    design = replace(scenario.design, **SMALL | changes)  # type: ignore[arg-type]
    return replace(scenario, design=design)


@pytest.mark.parametrize(
    "name",
    [
        "number-0.3",
        "heavy-tails",
        "missing-cells",
        "log-odds-0.2",
        "one-intersection",
        "ratio-0.8",
        "personalisation",
        "parse-failures",
        "equal-refusals",
        "tone-mix",
        "scorer-trap",
        "dialect-quality",
    ],
)
def test_pipeline_and_arrays_say_the_same(name: str, tmp_path: Path) -> None:
    found = through_pipeline(small(name), 3, tmp_path)
    assert found.difference <= 1e-12
    assert found.se > 0
    assert list(tmp_path.glob("run-*")) == []


def test_several_categories_of_one_wording_are_one_cluster_in_both(tmp_path: Path) -> None:
    found = through_pipeline(SCENARIOS["six-wordings"], 0, tmp_path)
    assert found.equal
    assert found.array.n_templates == 6
    assert found.array.n_blocks == 48
    assert found.outcome == "inconclusive", "6 wordings are too few for a verdict"


def test_the_gate_tells_a_large_effect_from_none(tmp_path: Path) -> None:
    large, none = (
        through_pipeline(replace(SCENARIOS[name], design=Design(24, 24, 10)), 1, tmp_path, tolerance=0.3)
        for name in ("number-0.5", "pure-noise")
    )
    assert large.outcome in ("fail", "inconclusive")
    assert none.outcome == "pass"


def test_a_world_of_ones_own_goes_through_too(tmp_path: Path) -> None:
    scenario = small("number-0.3")
    loud = replace(scenario, name="loud", world=replace(scenario.world, effect=2.0, nu=0.4), truth=2.0)
    found = through_pipeline(loud, 0, tmp_path)
    assert found.equal
    assert found.estimate == pytest.approx(2.0, abs=5 * found.se)
    assert found.outcome == "fail"


def test_a_difference_beyond_rounding_is_seen(tmp_path: Path) -> None:
    found = through_pipeline(small("number-0.3"), 0, tmp_path)
    assert found.equal
    assert not replace(found, se=found.se * (1 + 1e-9)).equal
    assert not replace(found, df=found.df * (1 + 1e-9)).equal
    assert not replace(found, n_cells=found.n_cells - 1).equal
    assert replace(found, p_value=float("nan")).difference == float("inf")


def test_more_groups_than_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="5 groups; a generated suite has 4 at most"):
        through_pipeline(small("number-0.3", groups=5), 0, tmp_path)
