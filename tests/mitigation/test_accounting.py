"""What a training spends: two accountants that agree, and noise that keeps within a budget."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import ConfigError
from audit.mitigation import accountants, accounting
from audit.mitigation.accounting import (
    LEAST_NOISE,
    auto_delta,
    check_delta,
    cross_checked,
    epsilon,
    epsilon_over,
    noise_for,
    public_size,
)
from audit.mitigation.values import PrivacyBudget, Sampling

ERROR = accountants.STATED_ERROR


@pytest.fixture(scope="module")
def study(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("study_accountant", repository / "scripts" / "study_accountant.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["study_accountant"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    accounting._cross_checked.cache_clear()
    yield
    accounting._cross_checked.cache_clear()


# Of what people use, and where accountants were found to go wrong: little noise, no sampling, very little spent.
GRID = (
    (1.0, 0.01, 1, 1e-5),
    (1.0, 0.01, 1000, 1e-5),
    (0.6, 0.001, 300, 1e-6),
    (0.4, 1e-4, 100, 1e-8),
    (0.4, 0.1, 100, 1e-5),
    (0.8, 0.002, 20_000, 1e-6),
    (2.0, 1e-4, 20_000, 1e-5),
    (10.0, 1e-4, 20_000, 1e-5),
    (5.0, 0.1, 1000, 1e-8),
    (10.0, 0.1, 20_000, 1e-4),
    (10.0, 1.0, 1, 1e-5),
    (2.0, 1.0, 100, 1e-8),
    (40.0, 1.0, 1000, 1e-5),
    (1.3, 0.99, 7, 1e-6),
    (3.0, 0.02, 5000, 1e-10),
)


@pytest.mark.parametrize(("noise", "rate", "steps", "delta"), GRID)
def test_prv_is_never_below_pld_by_more_than_it_states(noise: float, rate: float, steps: int, delta: float) -> None:
    found = cross_checked([(noise, rate, steps)], delta)
    assert found.prv is not None, found.note
    assert found.prv >= found.pld - ERROR
    assert found.prv <= found.pld + 2 * ERROR + 0.005 * found.pld
    assert found.epsilon == max(found.prv, found.pld)


@pytest.mark.parametrize(("noise", "steps", "delta"), [(10.0, 1, 1e-5), (10.0, 100, 1e-5), (2.0, 100, 1e-8)])
def test_without_sampling_both_agree_with_the_closed_form(
    study: ModuleType, noise: float, steps: int, delta: float
) -> None:
    exact = study.gaussian_exact(noise, steps, delta)
    found = cross_checked([(noise, 1.0, steps)], delta)
    assert found.prv is not None and exact <= found.prv <= exact + 2 * ERROR
    assert exact - 1e-6 <= found.pld <= exact + 1e-3


def test_one_step_agrees_with_an_integral_over_its_outputs() -> None:
    """δ(ε) = ∫ max(0, p − e^ε p₀) of the mixture p = (1 − q) N(0, σ²) + q N(1, σ²) and p₀ = N(0, σ²), by hand."""
    import numpy as np
    from scipy import stats

    noise, rate, delta = 0.8, 0.05, 1e-4
    at = np.linspace(-12, 14, 2_000_001)
    without, with_one = stats.norm.pdf(at, 0, noise), stats.norm.pdf(at, 1, noise)
    mixture = (1 - rate) * without + rate * with_one

    def beyond(level: float) -> float:
        return float(np.trapezoid(np.maximum(0, mixture - math.exp(level) * without), at))

    found = cross_checked([(noise, rate, 1)], delta)
    assert beyond(found.epsilon) <= delta <= beyond(found.epsilon - 2.5 * ERROR)
    assert beyond(found.pld) <= delta * 1.0001
    assert beyond(found.pld - 1e-3) > delta


def test_gaussian_dp_understates() -> None:
    """The figure of a paper's accountant that is not offered, beside one that is sound."""
    from opacus.accountants.analysis.gdp import compute_eps_poisson

    wrong = compute_eps_poisson(steps=40, noise_multiplier=1.0, sample_rate=0.01, delta=1e-5)
    assert wrong < 0.28
    assert cross_checked([(1.0, 0.01, 40)], 1e-5).pld > 0.54


def test_nothing_done_is_nothing_spent() -> None:
    assert epsilon([], 1e-5) == 0
    assert cross_checked([], 1e-5).epsilon == 0
    assert cross_checked([(1.0, 0.01, 0)], 1e-5).epsilon == 0


def test_no_noise_promises_nothing() -> None:
    assert epsilon([(0.0, 0.01, 5)], 1e-5) == math.inf
    assert cross_checked([(1.0, 0.01, 5), (0.0, 0.01, 1)], 1e-5).epsilon == math.inf
    assert {spent for _, spent in epsilon_over(Sampling(0.01, 10, 1.0), 0.0, 1e-5)} == {math.inf}


def test_equal_entries_are_added_up_in_any_order() -> None:
    whole = cross_checked([(1.0, 0.01, 300), (2.0, 0.01, 50)], 1e-5)
    assert cross_checked([(2.0, 0.01, 50), (1.0, 0.01, 100), (1.0, 0.01, 200)], 1e-5) == whole
    assert whole.epsilon > cross_checked([(1.0, 0.01, 300)], 1e-5).epsilon


def test_accountants_are_named_with_their_versions() -> None:
    found = cross_checked([(1.0, 0.01, 40)], 1e-5)
    assert [reading.name for reading in found.accountants] == ["PRV", "PLD"]
    assert found.accountants[0].version.startswith("opacus 1.")
    assert found.accountants[1].version.startswith("dp-accounting 0.")
    assert found.note == ""


@pytest.mark.parametrize(
    ("noise", "rate", "steps", "delta", "message"),
    [
        (-1.0, 0.1, 1, 1e-5, "noise_multiplier: -1"),
        (math.nan, 0.1, 1, 1e-5, "noise_multiplier: nan"),
        (math.inf, 0.1, 1, 1e-5, "noise_multiplier: inf"),
        (1.0, 0.0, 1, 1e-5, "sample_rate: 0"),
        (1.0, 1.1, 1, 1e-5, "sample_rate: 1.1"),
        (1.0, 0.1, -1, 1e-5, "steps: -1"),
        (1.0, 0.1, 1, 0.0, "delta: 0"),
        (1.0, 0.1, 1, 1.0, "delta: 1"),
        (1.0, 0.1, 1, 1e-12, "delta: 1e-12 cannot be accounted for"),
    ],
)
def test_what_is_out_of_its_range_is_named(noise: float, rate: float, steps: int, delta: float, message: str) -> None:
    for account in (epsilon, cross_checked):
        with pytest.raises(ConfigError, match=message):
            account([(noise, rate, steps)], delta)


def test_where_prv_fails_pld_stands_alone_and_says_so() -> None:
    found = cross_checked([(0.5, 0.1, 20_000)], 1e-5)
    assert found.prv is None
    assert [reading.name for reading in found.accountants] == ["PLD"]
    assert found.note.startswith("PLD alone: PRV fails here (")
    with pytest.raises(ConfigError, match=r"PRV gives no epsilon for 20,000 steps with noise 0\.5"):
        epsilon([(0.5, 0.1, 20_000)], 1e-5)


@pytest.mark.parametrize("failure", [RuntimeError("Cannot compute epsilon"), ValueError("Floating point errors")])
def test_an_error_of_opacus_is_a_failure_of_prv(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    from opacus.accountants import PRVAccountant

    def fail(*given: Any, **also: Any) -> float:
        raise failure

    monkeypatch.setattr(PRVAccountant, "get_epsilon", fail)
    found = cross_checked([(1.01, 0.01, 40)], 1e-5)
    assert found.prv is None and str(failure) in found.note


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_answer_that_is_no_number_is_a_failure_of_prv(monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    from opacus.accountants import PRVAccountant

    monkeypatch.setattr(PRVAccountant, "get_epsilon", lambda *given, **also: value)
    with pytest.raises(accountants.PrvFailed, match="it gave"):
        accountants.prv([(1.0, 0.01, 40)], 1e-5)


@pytest.mark.parametrize("off", [-0.1, 0.1])
def test_accountants_that_disagree_are_refused(monkeypatch: pytest.MonkeyPatch, off: float) -> None:
    real = accountants.prv
    monkeypatch.setattr(accountants, "prv", lambda history, delta: real(history, delta) + off)
    with pytest.raises(ConfigError, match=r"opacus .* gives epsilon .* dp-accounting .*: one is wrong"):
        cross_checked([(1.0, 0.01, 40)], 1e-5)


def test_the_larger_of_two_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    real = accountants.prv
    monkeypatch.setattr(accountants, "prv", lambda history, delta: real(history, delta) - 1.5 * ERROR)
    found = cross_checked([(1.0, 0.01, 40)], 1e-5)
    assert found.prv is not None and found.prv < found.pld == found.epsilon


def test_without_dp_accounting_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    with pytest.raises(ConfigError, match=r"pip install 'evenhand\[finetune\]'"):
        accountants.pld([(1.0, 0.01, 40)], 1e-5)


SETTING = st.tuples(
    st.floats(1.0, 8.0), st.floats(-3.0, -1.0).map(lambda power: 10**power), st.integers(1, 2000), st.floats(4.0, 8.0)
)


@settings(max_examples=8, deadline=None)
@given(setting=SETTING, change=st.sampled_from(["noise", "rate", "steps", "delta"]), factor=st.floats(1.1, 2.0))
def test_more_noise_and_less_sampling_spend_less(
    setting: tuple[float, float, int, float], change: str, factor: float
) -> None:
    noise, rate, steps, power = setting
    before = cross_checked([(noise, rate, steps)], 10**-power).epsilon
    after = {
        "noise": ([(noise * factor, rate, steps)], 10**-power),
        "rate": ([(noise, rate / factor, steps)], 10**-power),
        "steps": ([(noise, rate, max(1, round(steps / factor)))], 10**-power),
        "delta": ([(noise, rate, steps)], factor * 10**-power),
    }[change]
    # What an accountant is off by may change with the setting, within what it states.
    assert cross_checked(*after).epsilon <= before + ERROR / 2


def test_noise_keeps_within_the_budget_and_is_the_smallest_that_does() -> None:
    for budget, sampling in (
        (PrivacyBudget(8.0, 1e-5), Sampling(0.1, 3000, 64.0)),
        (PrivacyBudget(1.0, 1e-6), Sampling(0.02, 300, 64.0)),
        (PrivacyBudget(0.1, 1e-5), Sampling(0.005, 100, 64.0)),
        (PrivacyBudget(3.0, 1e-5), Sampling(1.0, 50, 64.0)),
    ):
        noise = noise_for(budget, sampling)
        assert noise == round(noise, 4)

        def spent(noise: float, budget: PrivacyBudget = budget, sampling: Sampling = sampling) -> float:
            return cross_checked([(noise, sampling.sample_rate, sampling.steps)], budget.delta).epsilon

        assert spent(noise) <= budget.epsilon
        assert spent(noise * (1 - 3e-4) - 1e-4) > budget.epsilon


def test_noise_is_never_less_than_the_least() -> None:
    assert noise_for(PrivacyBudget(8.0, 1e-5), Sampling(1e-4, 3, 64.0)) == LEAST_NOISE


@pytest.mark.parametrize(("wanted", "why"), [(0.01, "accountants are exact to 0.01"), (1e4, "it promises nothing")])
def test_a_budget_that_cannot_be_planned_for_is_refused(wanted: float, why: str) -> None:
    with pytest.raises(ConfigError, match=rf"epsilon: .*{why}; give one from 0.02 to 200"):
        noise_for(PrivacyBudget(wanted, 1e-5), Sampling(0.01, 100, 64.0))


def test_a_delta_too_small_is_refused_before_the_search() -> None:
    with pytest.raises(ConfigError, match="delta: 1e-30 cannot be accounted for"):
        noise_for(PrivacyBudget(1.0, 1e-30), Sampling(0.01, 100, 64.0))


def test_epsilon_grows_over_the_steps_and_ends_at_what_is_reported() -> None:
    found = epsilon_over(Sampling(0.01, 205, 64.0), 1.0, 1e-5)
    assert [step for step, _ in found] == [20, 41, 61, 82, 102, 123, 143, 164, 184, 205]
    assert [spent for _, spent in found] == sorted(spent for _, spent in found)
    assert found[-1][1] == cross_checked([(1.0, 0.01, 205)], 1e-5).epsilon
    assert found[4][1] == pytest.approx(cross_checked([(1.0, 0.01, 102)], 1e-5).epsilon, abs=0.003)


def test_fewer_steps_than_points_are_each_given_once() -> None:
    assert [step for step, _ in epsilon_over(Sampling(0.01, 3, 64.0), 1.0, 1e-5)] == [1, 2, 3]


@given(st.integers(1, 10**10))
def test_a_public_size_has_two_digits_and_is_not_more(units: int) -> None:
    known = public_size(units)
    assert known <= units < max(known * 1.1, known + 1)
    assert str(known)[2:].strip("0") == ""


@given(st.integers(3, 10**9))
def test_delta_lies_below_one_in_all_units_though_it_knows_two_digits(units: int) -> None:
    assert 0 < auto_delta(public_size(units)) < 1 / units
    check_delta(auto_delta(public_size(units)), public_size(units))


def test_a_delta_of_one_unit_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"delta: 0.001 is 1/N or more for 1,000 units, .* such as 0.0005"):
        check_delta(1e-3, 1000)
    check_delta(0.99e-3, 1000)


def test_too_few_units_have_no_delta() -> None:
    with pytest.raises(ConfigError, match="public_size: 2 units are too few"):
        auto_delta(2)


@pytest.mark.slow
def test_the_study_finds_no_shortfall(study: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "accountant.md"
    assert study.main(["--settings", "20", "--seed", "5", "--write", str(page)]) == 0
    assert "| PRV below PLD by more than 0.01 | 0 | 0 |" in page.read_text(encoding="utf-8")
