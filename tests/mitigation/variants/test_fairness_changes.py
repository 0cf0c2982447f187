"""Changes of gaps: against a hand computation, and of planted models whose gaps are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from audit import pipeline
from audit.config import Config, load_config
from audit.mitigation.changes import direction, size_change
from audit.mitigation.changes.fairness import gap_changes, gap_rows, paired_cells
from audit.mitigation.variants import Cell
from audit.run_folder import Run
from tests import tiny

FT = Cell("ft", "ft")
Planted = Callable[[str], Run]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """A run of a planted model: noise of names and answers is the same in all, only what is planted differs."""
    folder = tmp_path_factory.mktemp("planted")
    made: dict[str, Run] = {}

    def run(effect: str) -> Run:
        if effect not in made:
            config = load_config(tiny.write_audit(folder / "audit", Path("unused")))
            config = config.changed("model", name=f"planted:effect={effect},axis=gender,group=female")
            place, _ = pipeline.run_audit(config, folder / f"effect{effect}")
            made[effect] = pipeline.resume(place)
        return made[effect]

    return run


def the(rows: list[dict[str, Any]], metric: str) -> dict[str, Any]:
    (found,) = (row for row in rows if row["metric"] == metric and row["axis"] == "gender" and row["task"] == "swap")
    return found


def test_a_planted_gap_is_found_as_the_change_of_the_gap(planted: Planted) -> None:
    rows = list(gap_changes(FT, planted("0.5"), planted("0"), "base"))
    found = the(rows, "log_odds")
    assert found["estimate"] == pytest.approx(0.5, abs=0.02)
    assert (found["group"], found["reference"], found["versus"]) == ("female", "male", "base")


def test_a_change_is_the_difference_of_the_two_levels(planted: Planted) -> None:
    after, before = planted("0.5"), planted("-0.25")
    levels = [the(list(gap_rows(FT, run)), "log_odds")["estimate"] for run in (after, before)]
    rows = list(gap_changes(FT, after, before, "base"))
    assert the(rows, "log_odds")["estimate"] == pytest.approx(levels[0] - levels[1])
    assert the(rows, "log_odds:size")["estimate"] == pytest.approx(abs(levels[0]) - abs(levels[1]))


def test_what_a_name_does_under_both_models_cancels(planted: Planted) -> None:
    level = the(list(gap_rows(FT, planted("0.5"))), "log_odds")
    change = the(list(gap_changes(FT, planted("0.5"), planted("0"), "base")), "log_odds")
    assert change["ci_high"] is None or change["ci_high"] - change["ci_low"] < 0.1 * (
        level["ci_high"] - level["ci_low"]
    )


def test_a_model_against_itself_has_no_change_and_no_interval(planted: Planted) -> None:
    found = the(list(gap_changes(FT, planted("0"), planted("0"), "base")), "log_odds")
    assert found["estimate"] == 0 and found["ci_low"] is None and found["p_value"] is None


def test_ratios_and_quantiles_have_levels_and_no_change(planted: Planted) -> None:
    after, before = planted("0.5"), planted("0")
    assert any(row["metric"] == "p_favourable:ratio" for row in gap_rows(FT, after))
    changed = {row["metric"] for row in gap_changes(FT, after, before, "base")}
    assert not any(metric.endswith((":ratio", ":q10", ":q90")) for metric in changed)


def test_every_gap_is_of_one_cue_channel(planted: Planted) -> None:
    channels = {row["axis"]: row["category"] for row in gap_rows(FT, planted("0")) if row["axis"] in ("gender", "age")}
    assert channels == {"gender": "name", "age": "explicit"}


def test_cells_are_paired_by_probe_and_metric_whatever_their_order() -> None:
    keys = {"probe_id": ["a", "b", "c"], "metric": ["x", "x", "x"]}
    after = pd.DataFrame(keys | {"value": [1.0, 2.0, np.nan]})
    before = pd.DataFrame(keys | {"value": [0.5, np.nan, 3.0]}).iloc[::-1]
    found = paired_cells(after, before)
    np.testing.assert_array_equal(found["value"], [0.5, np.nan, np.nan])
    np.testing.assert_array_equal(found["total"], [1.5, np.nan, np.nan])


def test_the_interval_of_a_change_is_that_of_a_hand_computation(tmp_path: Path) -> None:
    """Four wordings, two names a group, balanced: two-way clustered variance of the differences, from its formula."""
    rng = np.random.default_rng(3)
    drawn = rng.normal(size=(2, 4, 4)) + np.array(
        [0, 0, 0.7, 0.7]
    )  # models, wordings, names: male, male, female, female
    found = the(_changes(tmp_path, drawn), "log_odds")
    d = drawn[0] - drawn[1]
    sides = d[:, 2:], d[:, :2]
    estimate = sides[0].mean() - sides[1].mean()
    # Within a wording the cells' effects are (±1/8) × the residual from wording and group.
    residual = d - d.mean(axis=1, keepdims=True) - np.array([-1, -1, 1, 1]) * estimate / 2
    influence = residual * np.array([-1, -1, 1, 1]) / 8
    v_t = 4 / 3 * (influence.sum(axis=1) ** 2).sum()
    names = influence.sum(axis=0) ** 2
    v_p = [2 * names[2:].sum(), 2 * names[:2].sum()]
    variance = max(v_t + sum(v_p) - (influence**2).sum(), v_t, sum(v_p))
    df = max(variance**2 / (v_t**2 / 3 + v_p[0] ** 2 + v_p[1] ** 2), 1.0)
    half = stats.t.ppf(0.975, df) * np.sqrt(variance)
    assert found["estimate"] == pytest.approx(estimate)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((estimate - half, estimate + half))
    assert found["n"] == 16


def test_a_cell_that_one_model_left_unscored_is_left_out_of_the_change(tmp_path: Path) -> None:
    drawn = np.random.default_rng(3).normal(size=(2, 4, 4))
    drawn[1, 2, 3] = np.nan
    assert the(_changes(tmp_path, drawn), "log_odds")["n"] == 15


@pytest.mark.parametrize("seed", range(3))
def test_a_size_change_leaves_0_out_exactly_where_both_intervals_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(300):
        middle, half = rng.normal(size=2), rng.exponential(size=2) * 0.7
        change, total = ((m, m - h, m + h) for m, h in zip(middle, half, strict=True))
        found = size_change(change, total)
        known = all(abs(m) > h for m, h in zip(middle, half, strict=True))
        assert found[1] <= found[0] <= found[2]
        assert (direction(found) != "unclear") == known
        if known:
            assert (direction(found) == "widened") == (middle[0] * middle[1] > 0)


def test_a_gap_is_seldom_said_to_have_grown_where_it_kept_its_size() -> None:
    """Signed gaps that only changed sides: of 4,000 pairs with noise, about 1 in 20 may be called otherwise."""
    rng = np.random.default_rng(0)
    before, after = 0.3 + 0.1 * rng.normal(size=4000), -0.3 + 0.1 * rng.normal(size=4000)
    half = 1.96 * np.sqrt(2) * 0.1
    said = [
        direction(size_change((d, d - half, d + half), (s, s - half, s + half))) != "unclear"
        for d, s in zip(after - before, after + before, strict=True)
    ]
    assert np.mean(said) < 0.06


def _changes(folder: Path, drawn: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
    """Two runs of made-up tables: (models, wordings, names) log-odds."""
    from tests.made import Made

    runs = []
    for number, values in enumerate(drawn):
        made = Made()
        people = [made.person(f"n{k}", "name", None, gender=("male", "female")[k // 2]) for k in range(4)]
        for template, row in enumerate(values):
            for who, value in zip(people, row, strict=True):
                status = "invalid" if np.isnan(value) else "scored"
                made.ask("refund", template, "target", float(np.nan_to_num(value)), persona=who, status=status)
        runs.append(_saved(folder / str(number), made))
    rows = list(gap_changes(FT, runs[0], runs[1], "base"))
    return [row | {"task": "swap"} for row in rows]


def _saved(folder: Path, made: Any) -> Run:
    from audit import tables
    from audit.progress import Silent

    for name, table in zip(("scores", "probes", "personas"), made.tables(), strict=True):
        tables.write(name, table, folder / f"{name}.parquet")
    config = Config.model_validate({"reference": {"gender": "male"}})
    (folder / "manifest.json").write_text(json.dumps({"config": json.loads(config.model_dump_json())}))
    return Run(folder, config, Silent())
