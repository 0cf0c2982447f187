"""What a model is still good for: how well it foretells held-out records, and whether it decides by the facts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from audit.fairness.gaps import POLES
from audit.statistics.variance import t_quantile, two_sided_p

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from audit.privacy.measuring.readings import Reading

Reals = NDArray[np.float64]
Columns = dict[str, Any]
# The metric by which facts must move an answer, by output form.
_MOVED: Final = {"decision": "log_odds", "number": "expected_number"}
# Means over the probes of the target arm. Both are probabilities.
_MEANS: Final = ("p_correct", "answer_mass")


@dataclass(frozen=True, slots=True)
class Mean:
    """A ratio of sums over units, Σ total / Σ size, and what each unit's draw does to it: ``influence``, (units,).

    ``share`` is each unit's part of Σ size, (units,).
    """

    estimate: float
    influence: Reals
    share: Reals

    @classmethod
    def of(cls, total: ArrayLike, size: ArrayLike) -> Mean:
        """Of units that have ``total`` of something in ``size`` places, both (units,).

        The influence of unit i is (total_i − r·size_i) / Σ size, the linearisation of a ratio
        (Cochran 1977, Sampling Techniques, 3rd ed., section 6.3).

        >>> Mean.of([2.0, 6.0], [1, 3]).estimate
        2.0
        """
        totals, sizes = np.asarray(total, float), np.asarray(size, float)
        whole = float(sizes.sum())
        if not whole > 0:
            return cls(math.nan, np.zeros(totals.size), np.zeros(totals.size))
        ratio = float(totals.sum()) / whole
        return cls(ratio, (totals - ratio * sizes) / whole, sizes / whole)

    def exponential(self) -> Mean:
        """exp of it, by the delta method: of a mean negative log-likelihood a token the perplexity."""
        value = math.exp(self.estimate)
        return Mean(value, value * self.influence, self.share)

    def minus(self, other: Mean) -> Mean:
        """Its difference from another on the same units: what a unit does to both cancels."""
        return Mean(self.estimate - other.estimate, self.influence - other.influence, self.share)

    def columns(self, cluster: ArrayLike) -> Columns:
        """Estimate, interval, p of "it is 0" and n, clustered: the jackknife over clusters, by Student's t.

        Without cluster g the ratio moves by its influence u over 1 − h, h its share: the variance is
        (G−1)/G · Σ (u/(1−h))², at G−1 df where all are of one size, G/(G−1) · Σ u². Where few clusters hold most of
        the sizes there are fewer: Satterthwaite's df of that sum, with cluster totals that vary as their sizes
        (Bell & McCaffrey 2002, Survey Methodology 28, 169-181).

        >>> found = Mean.of([1.0, 3.0, 5.0], [1, 1, 1]).columns([0, 1, 2])
        >>> found["estimate"], round(found["ci_high"] - found["ci_low"], 3)  # 2 · 4.303 · 2/√3
        (3.0, 9.937)
        """
        _, codes = np.unique(np.asarray(cluster), return_inverse=True)
        groups = int(codes.max(initial=-1)) + 1
        sums, shares = np.bincount(codes, self.influence), np.bincount(codes, self.share)
        df, se = 0.0, math.nan
        if groups > 1 and 0 < shares.max() < 1:
            odds, left_out = shares / (1 - shares), sums / (1 - shares)
            df = float(odds.sum() ** 2 / ((odds**2).sum() + (odds**2).sum() ** 2 - (odds**4).sum()))
            se = math.sqrt((groups - 1) / groups * float(left_out @ left_out))
        half = t_quantile(0.975, df) * se if se > 0 else math.nan
        return {
            "estimate": self.estimate,
            "ci_low": self.estimate - half,
            "ci_high": self.estimate + half,
            "p_value": two_sided_p(self.estimate, se, df),
            "n": int(self.influence.size),
        }


# Metric → its unit, and how it is read from the records.
_TEXT: Final[Mapping[str, tuple[str, Callable[[Sequence[Any]], Mean]]]] = {
    "nll": ("nats a token", lambda some: _nll(some)),
    "perplexity": ("perplexity", lambda some: _nll(some).exponential()),
    "next_token_accuracy": ("rate", lambda some: Mean.of([one.greedy.sum() for one in some], _tokens(some))),
}


def text_levels(some: Sequence[Reading]) -> Iterator[Columns]:
    """Of held-out records: nats a token, perplexity, and how often the next token is the likeliest; by customer.

    Nats a token by the author's group too: what a training costs may fall on some more than on others.
    """
    for metric, (scale, take) in _TEXT.items():
        found = _level(take(some), _customers(some), scale)
        if metric == "perplexity":  # as the logarithm's interval, which does not reach below 1
            beneath = _nll(some).columns(_customers(some))
            found |= {name: math.exp(beneath[name]) for name in ("ci_low", "ci_high")}
        yield {"metric": metric, "scale": scale, "category": "held_out"} | found
    for axis, group, inside in _groups(some):
        found = _level(_nll(inside), _customers(inside), "nats a token")
        yield {"metric": "nll", "scale": "nats a token", "category": "held_out", "axis": axis, "group": group} | found


def text_changes(after: Sequence[Reading], before: Sequence[Reading]) -> Iterator[Columns]:
    """The same, after − before, on the records that both models read, paired by record and clustered by customer."""
    earlier = {one.record_id: one for one in before}
    both = [one for one in after if one.record_id in earlier]
    if not both:
        return
    then = [earlier[one.record_id] for one in both]
    for metric, (scale, take) in _TEXT.items():
        found = take(both).minus(take(then)).columns(_customers(both))
        yield {"metric": metric, "scale": scale, "category": "held_out"} | found
    for axis, group, inside in _groups(both):
        found = _nll(inside).minus(_nll([earlier[one.record_id] for one in inside])).columns(_customers(inside))
        yield {"metric": "nll", "scale": "nats a token", "category": "held_out", "axis": axis, "group": group} | found


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model's answers are worth, a row a unit: one series for each (metric, task, locale).

    ``values`` are indexed by what the unit is, so that another model's are paired; ``cluster`` is its wording.
    """

    values: Mapping[tuple[str, str, str], pd.Series[Any]]
    cluster: Mapping[tuple[str, str, str], pd.Series[Any]]


def answers(scores: pa.Table, probes: pa.Table, personas: pa.Table) -> Answers:
    """Read from a fairness run what its answers are worth.

    ``control_accuracy``: of each wording, category and customer of the positive control, whether favourable facts
    get a higher answer than unfavourable ones; a tie is a miss. Where probes say what the policy gives,
    ``accuracy``: whether that option is likelier than all others together, and ``p_correct``, its probability.
    ``answer_mass``: the probability that the answer is any of those asked for.
    """
    from audit.fairness.cells import cell_frame

    cells = cell_frame(scores, probes, personas)
    cells = cells[cells["value"].notna()]
    values, cluster = {}, {}
    for (task, locale, form), part in cells.groupby(["task", "locale", "output_form"], sort=True, observed=True):
        for metric, series in _of_task(part, str(form)):
            place = metric, str(task), str(locale)
            values[place] = series
            cluster[place] = series.index.get_level_values("template_id").astype(str)
    return Answers(values, cluster)


def answer_levels(found: Answers) -> Iterator[Columns]:
    """Rates and means of one model's answers, by wording."""
    from audit.privacy.measuring.means import rate_of

    for (metric, task, locale), series in found.values.items():
        cluster = np.asarray(found.cluster[metric, task, locale])
        about = {"metric": metric, "task": task, "locale": locale}
        if metric in _MEANS:
            level = _level(Mean.of(series.to_numpy(), np.ones(len(series))), cluster, "probability")
            yield about | {"scale": "probability"} | level
        else:
            rate = rate_of(series.to_numpy(), cluster)
            columns = {name: rate[name] for name in ("estimate", "ci_low", "ci_high")}
            yield about | {"scale": "rate"} | columns | {"n": rate["n_cells"]}


def answer_changes(after: Answers, before: Answers) -> Iterator[Columns]:
    """The same, after − before, paired by probe: Tango's interval for rates; by wording."""
    from audit.statistics.rate_differences import paired_rate_difference

    for place, series in after.values.items():
        if place not in before.values:
            continue
        pairs = series.to_frame("after").join(before.values[place].rename("before"), how="inner")
        if pairs.empty:
            continue
        now, then = pairs["after"].to_numpy(), pairs["before"].to_numpy()
        cluster = np.asarray(pairs.index.get_level_values("template_id").astype(str))
        about = dict(zip(("metric", "task", "locale"), place, strict=True))
        if place[0] in _MEANS:
            ones = np.ones(now.size)
            yield about | {"scale": "probability"} | Mean.of(now, ones).minus(Mean.of(then, ones)).columns(cluster)
        else:
            gap = paired_rate_difference(now, then, cluster)
            columns = {name: getattr(gap, name) for name in ("estimate", "ci_low", "ci_high", "p_value")}
            yield about | {"scale": "rate"} | columns | {"n": int(now.size)}


def _level(mean: Mean, cluster: ArrayLike, scale: str) -> Columns:
    """A level's columns: no p-value, since 0 is nothing to be told from, and bounds within what can be."""
    found = mean.columns(cluster) | {"p_value": None}
    if scale in ("rate", "probability"):
        found |= {"ci_low": max(0.0, found["ci_low"]), "ci_high": min(1.0, found["ci_high"])}
    return found


def _of_task(cells: pd.DataFrame, form: str) -> Iterator[tuple[str, pd.Series[Any]]]:
    control = cells[(cells["arm"] == "positive_control") & (cells["metric"] == _MOVED.get(form, ""))]
    won = _won(control)
    if len(won):
        yield "control_accuracy", won
    target = cells[cells["arm"] == "target"]
    for metric in _MEANS:
        part = target[target["metric"] == metric]
        if part.empty:
            continue
        series = part.astype({"probe_id": str, "template_id": str}).set_index(["probe_id", "template_id"])["value"]
        yield metric, series
        if metric == "p_correct":
            yield "accuracy", (series > 0.5).astype(float)


def _won(control: pd.DataFrame) -> pd.Series[Any]:
    """1 where favourable facts get the higher answer, by wording, category and customer (who may be nobody)."""
    keys = ["template_id", "category", "persona_id"]
    plain = control[[*keys, "gold", "value"]].astype(dict.fromkeys((*keys, "gold"), object))
    plain = plain.fillna({"persona_id": ""})
    wide = plain.pivot_table(index=keys, columns="gold", values="value", aggfunc="mean")
    if not set(POLES) <= set(wide.columns):
        return wide.iloc[:0].sum(axis=1)
    wide = wide[list(POLES)].dropna()
    return (wide[POLES[0]] > wide[POLES[1]]).astype(float)


def _nll(some: Sequence[Reading]) -> Mean:
    return Mean.of([-one.logprobs.sum() for one in some], _tokens(some))


def _tokens(some: Sequence[Reading]) -> list[int]:
    return [one.logprobs.size for one in some]


def _customers(some: Sequence[Reading]) -> list[int]:
    return [one.cluster for one in some]


def _groups(some: Sequence[Reading]) -> Iterator[tuple[str, str, list[Reading]]]:
    """Each group of authors that has two customers or more."""
    places = sorted({place for one in some for place in one.groups.items()})
    for axis, group in places:
        inside = [one for one in some if one.groups.get(axis) == group]
        if len(set(_customers(inside))) > 1:
            yield axis, group, inside
