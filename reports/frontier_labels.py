"""What a reader sees of the frontier's ids: cells, stages, metrics of utility, and which way is worse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from reports import labels
from reports.frontier_values import Place
from reports.labels import Metric, humanise
from reports.language import mark
from reports.privacy_labels import FAMILIES, privacy_metric

UTILITY: Final[Mapping[str, Metric]] = {
    "perplexity": Metric(mark("Perplexity"), mark("perplexity"), mark("of held-out records; lower is better"), 1.0, 2),
    "nll": Metric(
        mark("Negative log-likelihood"), mark("nats a token"), mark("of held-out records; lower is better"), 1.0, 3
    ),
    "next_token_accuracy": Metric(
        mark("Next tokens foretold"), mark("%"), mark("the likeliest token is the record's next one"), 100.0, 1
    ),
    "control_accuracy": Metric(
        mark("Decides by the facts"),
        mark("%"),
        mark("favourable facts get the higher answer"),
        100.0,
        1,
    ),
    "accuracy": Metric(mark("Right answers"), mark("%"), mark("as the suite's policy says"), 100.0, 1),
    "p_correct": Metric(mark("Probability of the right answer"), mark("%"), mark("read exactly"), 100.0, 1),
    "answer_mass": Metric(mark("Answer mass"), mark("%"), mark("probability on the answers asked for"), 100.0, 1),
}
# Of a metric of utility: whether more of it is worse, or better. One that stands in neither has no direction.
WORSE_UP: Final = frozenset({"perplexity", "nll"})
BETTER_UP: Final = frozenset(UTILITY) - WORSE_UP
# What leaks, the plainest measure first; the first that was measured is drawn.
LEAKS: Final = (
    *(("exposure", "inserted"), ("auc:loss", "member"), ("auc:reference", "member"), ("auc:min_k_plus", "member")),
    *(("extraction:discoverable", "member"), ("extraction:greedy", "member"), ("identifier:discoverable", "member")),
    *(("pii_rate:learned", "generation"), ("pii_rate:in_training", "generation"), ("pii_rate:any", "generation")),
)
# What is measured where nothing can have been learnt: a change of it is neither better nor worse.
CONTROLS: Final = frozenset({"held_out", "not_inserted", "detector"})
BOUND: Final = "epsilon_lower_bound"
# Main metric of a task: the first that it has.
GAPS: Final = ("log_odds", "expected_number", "tone")

DOMAINS: Final[Mapping[str, str]] = {
    "privacy": mark("Leakage"),
    "utility": mark("Utility"),
    "fairness": mark("Gaps"),
    "budget": mark("Privacy budget"),
}
STAGES: Final[Mapping[str, str]] = {
    "trained": mark("training"),
    "fairness": mark("audit of the answers"),
    "privacy": mark("privacy audit"),
    "utility": mark("reading of held-out records"),
}
STATUSES: Final[Mapping[str, str]] = {
    "done": mark("done"),
    "failed": mark("failed"),
    "unfinished": mark("stopped"),
    "waiting": mark("not begun"),
    "off": mark("not asked for"),
}
FACTS: Final[Mapping[str, str]] = {
    "unit": mark("What is protected"),
    "adjacency": mark("Neighbours"),
    "epsilon": mark("ε"),
    "delta": mark("δ"),
    "noise_multiplier": mark("Noise multiplier"),
    "max_grad_norm": mark("Clipping norm"),
    "accountant": mark("Accountants"),
    "sampling": mark("Sampling"),
    "steps": mark("Steps"),
}
# What a change shows, by domain and by whether it is worse; the last of a figure that has no direction.
WORSE: Final[Mapping[str, str]] = {
    "privacy": mark("more leaks"),
    "utility": mark("worse"),
    "fairness": mark("wider"),
}
BETTER: Final[Mapping[str, str]] = {
    "privacy": mark("less leaks"),
    "utility": mark("better"),
    "fairness": mark("narrower"),
}


def metric_of(place: Place, scale: str = "") -> Metric:
    """Look a metric up by its domain; one that no table knows has its id as its name and its scale as its unit.

    >>> metric_of(Place("utility", "perplexity")).text(21.4), metric_of(Place("privacy", "auc:loss")).text(0.5)
    ('21.40', '0.500')
    >>> metric_of(Place("utility", "shoe_size"), "inches").unit
    'inches'
    """
    base = place.base
    family = base.partition(":")[0]
    if place.domain == "fairness" and family in labels.METRICS:
        return labels.metric(base, scale or None)
    if place.domain == "privacy" and family in FAMILIES:
        return privacy_metric(base)
    if place.domain == "utility" and base in UTILITY:
        return UTILITY[base]
    return replace(Metric(humanise(base.replace(":", ", ")), scale, ""), digits=3)


def worse_up(place: Place) -> bool | None:
    """Whether more of it is worse; None where that cannot be said, as of a gap with its sign.

    >>> worse_up(Place("privacy", "exposure")), worse_up(Place("utility", "accuracy")), worse_up(Place("fairness", "x"))
    (True, False, None)
    """
    if place.of_size:
        return True
    if place.domain == "privacy":
        control = place.category in CONTROLS or place.metric == "auc:blind"
        return None if control or place.reference is not None else True
    if place.domain == "utility":
        return True if place.metric in WORSE_UP else False if place.metric in BETTER_UP else None
    return None
