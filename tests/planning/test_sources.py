from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from audit import tables
from audit.config import Config
from audit.errors import ConfigError
from audit.planning import Known, defaults, from_run
from audit.planning.sources import pooled
from audit.statistics import Components, EstimatedComponents, Moment
from tests.planning.conftest import write_people

PARTS = Components(template=0.2, persona=0.15, noise=0.3)
PLACE = ("gender", "female")


def test_the_shipped_table_knows_every_metric_of_the_preset() -> None:
    known = defaults()
    for metric, channel, scale in (
        ("log_odds", "name", "log-odds"),
        ("log_odds", "explicit", "log-odds"),
        ("expected_number", "name", "percentage points"),
        ("tone", "name", "VADER compound"),
        ("refusal", "name", "rate"),
    ):
        parts, words = known.of("any_task", metric, channel, *PLACE, scale)
        assert words == "the defaults"
        assert max(parts.template, parts.persona, parts.noise) > 0
    assert "embedded:smollm2" in known.words


def test_a_number_in_another_unit_has_no_default() -> None:
    assert defaults().of("fees", "expected_number", "name", *PLACE, "dollars") == (Components(), "")


def test_a_log_ratio_has_the_components_over_the_level() -> None:
    known = Known("made up", {("words", "name"): Components(persona=6.0)}, {("words", "name"): 60.0})
    parts, words = known.of("reply", "words:ratio", "name", *PLACE, "log-ratio")
    assert (parts.persona, words) == (pytest.approx(0.1), "the defaults, over its level")
    assert known.of("reply", "words:q10", "name", *PLACE, "words") == (Components(), "")


def test_the_nearest_components_are_taken() -> None:
    near, task, metric = (Components(noise=value) for value in (1.0, 2.0, 3.0))
    known = Known("x", {("t", "m", "name", *PLACE): near, ("t", "m", "name"): task, ("m", "name"): metric})
    assert known.of("t", "m", "name", *PLACE, "m")[0] == near
    assert known.of("t", "m", "name", "race", "black", "m")[0] == task
    assert known.of("other", "m", "name", *PLACE, "m")[0] == metric
    assert known.of("t", "m", "explicit", *PLACE, "m") == (Components(), "")


def test_a_run_gives_its_components_back(refunds: Config, make_run: Any) -> None:
    found = []
    for seed in range(8):
        known = from_run(make_run(refunds, PARTS, seed=seed), refunds, level=math.nan)
        found.append(known.of("refund_decision", "log_odds", "name", *PLACE, "log-odds")[0])
    for name, truth in (("template", 0.2), ("persona", 0.15), ("noise", 0.3)):
        variance = sum(getattr(parts, name) ** 2 for parts in found) / len(found)
        assert math.sqrt(variance) == pytest.approx(truth, rel=0.25), name


def test_a_quantile_has_the_means_components_as_much_larger_as_its_error_was(refunds: Config, make_run: Any) -> None:
    folder = make_run(refunds, PARTS)
    findings = tables.read("findings", folder / "findings.parquet").to_pylist()
    (mean,) = [
        row for row in findings if (row["metric"], row["statistic"], row["arm"]) == ("log_odds", "contrast", "target")
    ]
    quantile = mean | {"metric": "log_odds:q10", "finding_id": "q", "se": 3 * mean["se"]}
    tables.write("findings", tables.from_rows("findings", [mean, quantile]), folder / "findings.parquet")
    known = from_run(folder, refunds)
    base, words = known.of("refund_decision", "log_odds", "name", *PLACE, "log-odds")
    found, same = known.of("refund_decision", "log_odds:q10", "name", *PLACE, "log-odds")
    assert (found.noise / base.noise, found.persona / base.persona) == (pytest.approx(3), pytest.approx(3))
    assert words == same
    (folder / "findings.parquet").unlink()
    assert from_run(folder, refunds).of("refund_decision", "log_odds:q10", "name", *PLACE, "log-odds")[1] == ""


def test_a_run_of_another_task_leaves_the_defaults(refunds: Config, make_run: Any) -> None:
    known = from_run(make_run(refunds, PARTS), refunds)
    assert known.of("service_reply", "tone", "name", *PLACE, "VADER compound")[1] == "the defaults"


def test_a_contrast_of_few_cells_does_not_count(refunds: Config, make_run: Any, tmp_path: Path) -> None:
    words = {}
    for names in (2, 4):
        write_people(tmp_path, names)
        known = from_run(make_run(refunds, PARTS, seed=names), refunds)
        words[names] = known.of("refund_decision", "log_odds", "name", *PLACE, "log-odds")[1]
    # 26 templates × 2 × 4 names leave 150 degrees of freedom, with two names 50.
    assert words == {2: "the defaults", 4: "this contrast in the run"}


def test_a_folder_that_is_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a run folder"):
        from_run(tmp_path, Config())


def test_pooling_weighs_by_degrees_of_freedom_and_lets_negatives_count() -> None:
    none = Moment(0.0, 0.0, 0.0, 1.0)

    def one(square: float, df: float) -> EstimatedComponents:
        return EstimatedComponents(
            "b", "a", none, none, Moment(square, df, 1.0, 2.0), none, Moment(1.0, 90.0, 0.0, 1.0)
        )

    # (3·10 + 0·30)/40 = .75 lies below the rest of 1: the pooled variance is below 0, and counts as 0.
    assert pooled([one(3.0, 10.0), one(0.0, 30.0)]).components.persona == 0
    assert pooled([one(3.0, 10.0), one(3.0, 30.0)]).components == Components(persona=1.0, noise=1.0)
