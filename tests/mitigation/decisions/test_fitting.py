from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from audit.errors import ConfigError
from audit.mitigation.decisions import held_out as held_out_module
from audit.mitigation.decisions.cases import Cases
from audit.mitigation.decisions.estimators import LogOdds, Stump
from audit.mitigation.decisions.figures import figures_of
from audit.mitigation.decisions.fitting import CLOSE, ROUNDS, fit_curves, less_by_chance
from audit.mitigation.decisions.held_out import FOLDS, decided, held_out
from audit.mitigation.decisions.rule import CONSTRAINTS, Constraint, Curve


def test_the_stump_finds_the_least_weighted_error() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        odds = rng.integers(-4, 5, 12) / 2
        label, weight = rng.integers(0, 2, 12), rng.random(12)
        stump = Stump().fit(odds[:, None], label, sample_weight=weight)
        errors = [weight[(odds > t) != label].sum() for t in [-np.inf, *np.unique(odds), np.inf]]
        assert weight[stump.predict(odds[:, None]) != label].sum() == pytest.approx(min(errors))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of fairlearn 0.15 with pandas 3
@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_one_curve_for_everyone_is_the_reduction_of_fairlearn(
    constraint: Constraint, made: Callable[..., Cases]
) -> None:
    from fairlearn import reductions

    cases = made()
    curves = fit_curves(cases, method="exponentiated-gradient", constraint=constraint, tolerance=0.1)
    assert set(curves) == {"everyone"}
    moment = {
        "demographic-parity": reductions.DemographicParity,
        "true-positive-rate-parity": reductions.TruePositiveRateParity,
        "equalized-odds": reductions.EqualizedOdds,
    }[constraint](difference_bound=0.1)
    reduction = reductions.ExponentiatedGradient(Stump(), moment, eps=0.1, max_iter=ROUNDS, nu=CLOSE)
    reduction.fit(cases.log_odds[:, None], cases.label, sensitive_features=cases.group)
    # Its weights are those of a linear program, right to about 1e-9.
    assert decided(cases, curves) == pytest.approx(reduction._pmf_predict(cases.log_odds[:, None])[:, 1], abs=1e-6)


@pytest.mark.parametrize("constraint", ["true-positive-rate-parity", "equalized-odds"])
def test_a_curve_for_each_group_is_the_optimizer_of_fairlearn(
    constraint: Constraint, made: Callable[..., Cases]
) -> None:
    from fairlearn.postprocessing import ThresholdOptimizer

    cases = made(noise=1.0)
    curves = fit_curves(cases, method="threshold-optimizer", constraint=constraint, tolerance=0.1)
    optimizer = ThresholdOptimizer(
        estimator=LogOdds(), constraints=constraint.replace("-", "_"), prefit=True, predict_method="predict"
    )
    optimizer.fit(cases.log_odds[:, None], cases.label, sensitive_features=cases.group)
    chances = optimizer._pmf_predict(cases.log_odds[:, None], sensitive_features=cases.group)[:, 1]
    assert decided(cases, curves) == pytest.approx(chances, abs=1e-9)


@pytest.mark.parametrize("tolerance", [0.05, 0.2])
def test_the_tolerance_bounds_how_far_a_group_lies_from_all(tolerance: float, made: Callable[..., Cases]) -> None:
    cases = made(noise=1.0, templates=40)
    curves = fit_curves(cases, method="exponentiated-gradient", constraint="demographic-parity", tolerance=tolerance)
    chances = decided(cases, curves)
    for group in cases.groups:
        assert abs(chances[cases.group == group].mean() - chances.mean()) <= tolerance + CLOSE


def test_clear_cases_are_not_refused_by_lot_where_a_threshold_does_as_well(made: Callable[..., Cases]) -> None:
    cases = made(noise=1.0)
    own = replace(cases, label=(cases.log_odds > 0).astype(np.int64), labels="own")
    curves = fit_curves(own, method="threshold-optimizer", constraint="demographic-parity", tolerance=0.1)
    chances = decided(own, curves)
    for group in own.groups:
        drawn = (chances > 0) & (chances < 1) & (own.group == group)
        assert np.unique(own.log_odds[drawn]).size <= 1
    rates = [chances[own.group == group].mean() for group in own.groups]
    assert rates[0] == pytest.approx(rates[1], abs=2e-3)  # fairlearn's grid has 1,000 rates


def test_a_curve_that_is_right_more_often_is_kept() -> None:
    odds, label = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([1, 0, 0, 1])
    everyone_half = Curve(0.5)
    assert less_by_chance(everyone_half, odds, label)(1.5) == 1.0  # as right as a lot, and no lot
    worst = np.array([1, 1, 0, 0])
    assert less_by_chance(everyone_half, odds, worst) == everyone_half


def test_a_group_of_one_label_only_is_a_clear_error(made: Callable[..., Cases]) -> None:
    cases = made()
    label = np.where(cases.group == "f", 1, cases.label)
    with pytest.raises(ConfigError, match=r"threshold-optimizer: fairlearn cannot fit .* \(Degenerate labels"):
        fit_curves(
            replace(cases, label=label), method="threshold-optimizer", constraint="equalized-odds", tolerance=0.1
        )


def test_a_warning_of_fairlearn_is_a_clear_error(made: Callable[..., Cases], monkeypatch: pytest.MonkeyPatch) -> None:
    import warnings

    def fit(self: Stump, *args: object, **options: object) -> Stump:
        warnings.warn("something is off", UserWarning, stacklevel=1)
        return self

    monkeypatch.setattr(Stump, "fit", fit)
    with pytest.raises(ConfigError, match="something is off"):
        fit_curves(made(), method="exponentiated-gradient", constraint="demographic-parity", tolerance=0.1)


def test_no_rule_decides_a_wording_or_a_name_that_it_was_fitted_on(
    made: Callable[..., Cases], monkeypatch: pytest.MonkeyPatch
) -> None:
    cases, seen = made(), []
    real = held_out_module.fit_curves

    def spy(part: Cases, **how: object) -> dict[str, Curve]:
        seen.append((set(part.template), set(part.stimulus)))
        curves = real(part, **how)  # type: ignore[arg-type]
        asked.append((set(), set()))
        return curves

    asked: list[tuple[set[str], set[str]]] = []

    def decide(part: Cases, curves: dict[str, Curve]) -> object:
        asked[-1] = (set(part.template), set(part.stimulus))
        return decided(part, curves)

    monkeypatch.setattr(held_out_module, "fit_curves", spy)
    monkeypatch.setattr(held_out_module, "decided", decide)
    chances = held_out(cases, method="threshold-optimizer", constraint="demographic-parity", tolerance=0.1, seed=0)
    assert len(seen) == FOLDS**2
    for (fitted, names), (wordings, people) in zip(seen, asked, strict=True):
        assert not fitted & wordings
        assert not names & people
    assert not np.isnan(chances).any()


def test_the_seed_deals_the_folds(made: Callable[..., Cases]) -> None:
    cases = made(noise=1.0)
    how = {"method": "threshold-optimizer", "constraint": "demographic-parity", "tolerance": 0.1}
    first, again, other = (held_out(cases, seed=seed, **how) for seed in (0, 0, 1))  # type: ignore[arg-type]
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_figure_is_the_difference_of_the_groups_rates(made: Callable[..., Cases]) -> None:
    cases = made()
    before, after = (cases.log_odds > 0).astype(float), np.full(cases.log_odds.size, 0.5)
    figures = {(f.metric, f.stage, f.group, f.reference): f for f in figures_of(cases, before, after)}
    women, men = cases.group == "f", cases.group == "m"
    gap = figures["selection_rate", "before", "f", "m"]
    assert gap.estimate == pytest.approx(before[women].mean() - before[men].mean())
    assert gap.ci_low is not None
    assert gap.ci_high is not None
    assert gap.ci_low < gap.estimate < gap.ci_high
    assert figures["selection_rate", "change", "f", "m"].estimate == pytest.approx(-gap.estimate)
    deserving = cases.label == 1
    rate = figures["true_positive_rate", "before", "m", None]
    assert (rate.estimate, rate.n) == (pytest.approx(before[men & deserving].mean()), int((men & deserving).sum()))
    assert figures["accuracy", "before", None, None].estimate == pytest.approx((before == cases.label).mean())
    assert figures["accuracy", "after", None, None].estimate == pytest.approx(0.5)
    assert figures["changed", "change", None, None].estimate == pytest.approx(0.5)


def test_rates_by_merit_are_not_told_where_merit_is_not_known(made: Callable[..., Cases]) -> None:
    cases = made()
    own = replace(cases, label=(cases.log_odds > 0).astype(np.int64), labels="own")
    before = (own.log_odds > 0).astype(float)
    assert {f.metric for f in figures_of(own, before, before)} == {"selection_rate", "accuracy", "changed"}


@pytest.mark.parametrize("phrasings", [3, 12])
def test_explicit_cues_are_compared_within_their_phrasings(phrasings: int, made: Callable[..., Cases]) -> None:
    cases = made(names=phrasings)
    stimulus = np.array([name.partition("-")[2] for name in cases.stimulus], object)
    cases = replace(cases, stimulus=stimulus, channel=np.array(["explicit"] * stimulus.size, object))
    before = (cases.log_odds > 0).astype(float)
    [gap] = [
        f
        for f in figures_of(cases, before, before)
        if f.metric == "selection_rate" and f.stage == "before" and f.reference
    ]
    assert (gap.cue_channel, gap.n) == ("explicit", cases.log_odds.size)
    assert gap.estimate == pytest.approx(before[cases.group == "f"].mean() - before[cases.group == "m"].mean())
    after = held_out(cases, method="threshold-optimizer", constraint="demographic-parity", tolerance=0.1, seed=0)
    assert not np.isnan(after).any()
