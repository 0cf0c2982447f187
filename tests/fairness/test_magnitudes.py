"""Distances of names across groups beside those within, and of distributions beside their permutation median."""

from __future__ import annotations

import numpy as np
import pytest

from tests.made import Made, a_run, aged, pick, the


def flipping(seed=0, effect=0.0):
    """A gap that is +effect in every other template and −effect in the rest: its mean is 0."""
    made = Made(seed)
    people = [made.person(f"{g} {i}", "name", None, gender=g) for g in ("female", "male") for i in range(10)]
    for template in range(14):
        level = made.rng.normal()
        for who in people:
            sign = effect * (1 if template % 2 else -1) * who.startswith("female")
            made.ask("refund", template, "target", level + sign + 0.1 * made.rng.normal(), persona=who)
    return made


def test_a_sign_flip_is_an_excess_though_its_mean_is_0():
    rows = flipping(effect=0.5).measured()
    row = the(rows, statistic="excess", metric="log_odds")
    assert row["estimate"] > 1.5 * row["floor"] and row["p_value"] < 0.01
    assert the(rows, statistic="contrast", metric="log_odds")["p_value"] > 0.05
    signal = the(rows, statistic="signal_to_floor", metric="log_odds")
    assert signal["estimate"] == pytest.approx(row["estimate"] / row["floor"])
    assert 1 < signal["ci_low"] < signal["estimate"] < signal["ci_high"]
    assert (signal["scale"], row["scale"], row["kind"]) == ("ratio", "log-odds", "test")


def test_the_floor_is_the_mean_distance_within_groups():
    made = flipping()
    row = the(made.measured(), statistic="excess", metric="log_odds")
    value = {score["probe_id"]: score["value"] for score in made.scores if score["metric"] == "log_odds"}
    table = np.array([value[probe["probe_id"]] for probe in made.probes]).reshape(14, 20)
    gaps = np.abs(table[:, :, None] - table[:, None, :])
    off = ~np.eye(10, dtype=bool)
    assert row["estimate"] == pytest.approx(gaps[:, :10, 10:].mean())
    assert row["floor"] == pytest.approx((gaps[:, :10, :10][:, off].mean() + gaps[:, 10:, 10:][:, off].mean()) / 2)


def test_without_an_excess_no_signal_is_told():
    rows = flipping(seed=3).measured()
    assert the(rows, statistic="excess", metric="log_odds")["p_value"] > 0.05
    assert not pick(rows, statistic="signal_to_floor", metric="log_odds")


def test_flips_of_the_favourable_answer_are_a_rate():
    row = the(flipping(effect=1.5).measured(), statistic="excess", metric="p_favourable")
    assert row["scale"] == "rate" and 0 < row["floor"] < row["estimate"] < 1
    assert row["method"].startswith("rate of flips at 0.5 across groups")


def test_only_main_metrics_have_magnitudes():
    found = {row["metric"] for row in a_run("reply", gap=0.5).measured() if row["statistic"] == "excess"}
    assert found == {"tone"}


def test_explicit_cues_have_placebos_in_place_of_an_excess():
    made = Made()
    aged(made)
    assert not [row for row in made.measured() if row["statistic"] in ("excess", "wasserstein")]


def test_a_wasserstein_distance_stands_beside_its_permutation_median():
    null = the(a_run("reply", seed=2).measured(), statistic="wasserstein", metric="tone", axis="gender")
    planted = the(a_run("reply", gap=0.5, seed=2).measured(), statistic="wasserstein", metric="tone", axis="gender")
    assert null["floor"] > 0 and null["p_value"] > 0.05
    assert planted["p_value"] < 0.01 and planted["estimate"] > 2 * planted["floor"]
    assert planted["estimate"] == pytest.approx(0.5, abs=0.1)


def test_measuring_twice_gives_the_same_p():
    one, other = (flipping(effect=0.2).measured() for _ in range(2))
    assert one == other
