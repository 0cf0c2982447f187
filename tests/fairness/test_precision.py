"""Numerical noise is told, and counted in what can be detected, where it is not negligible."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from audit.fairness.precision import LOG_ODDS_NOISE
from audit.statistics import minimum_detectable_gap
from tests.made import TERMS, a_run, the


def found(precision, task="refund", metric="log_odds"):
    rows = a_run(task, gap=0.3).measured(terms=replace(TERMS, exact_precision=precision))
    return the(rows, statistic="contrast", metric=metric, axis="gender", arm="target")


def test_float32_adds_no_words_and_no_noise():
    row = found("float32")
    assert "noise" not in row["method"]
    assert row["mde"] == pytest.approx(minimum_detectable_gap(row["se"], row["df"]))


@pytest.mark.parametrize(("metric", "share"), [("log_odds", 1.0), ("p_favourable", 0.25)])
def test_bfloat16_is_told_and_widens_what_can_be_detected(metric, share):
    plain, noisy = (found(precision, metric=metric) for precision in ("float32", "bfloat16"))
    noise = share * LOG_ODDS_NOISE["bfloat16"]
    assert noisy["method"].endswith(f"exact bfloat16, numerical noise {f'{noise:.2g}'[1:]} rms a cell")
    for column in ("estimate", "se", "df", "ci_low", "ci_high", "p_value"):
        assert noisy[column] == plain[column]
    wider = math.sqrt(plain["se"] ** 2 + noise**2 * (1 / 140 + 1 / 140))
    assert noisy["mde"] == pytest.approx(minimum_detectable_gap(wider, plain["df"]))
    assert noisy["mde"] > plain["mde"]


def test_what_was_not_measured_is_not_told():
    assert "noise" not in found("bfloat16", metric="answer_mass")["method"]
    assert "noise" not in found("bfloat16", "discount", "expected_number")["method"]
