"""The card of a rule: what it changes, what it cannot, and how a service applies it. Markdown."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from audit.mitigation.changes import direction
from audit.mitigation.decisions.applying import apply_rule
from audit.mitigation.decisions.figures import Figure
from audit.mitigation.decisions.rule import Constraint, Curve, DecisionRule, Labels

_RIGHT: Final[Mapping[Labels, str]] = {
    "gold": "the option that the policy of the suite gives",
    "own": "what the model itself decides, so that accuracy is the share of decisions that stay as they are",
    "no-cue": "what the model decides of the same case where nobody is described",
}
_JUDGED_BY: Final[Mapping[Constraint, tuple[str, ...]]] = {
    "demographic-parity": ("selection_rate",),
    "true-positive-rate-parity": ("true_positive_rate",),
    "equalized-odds": ("true_positive_rate", "false_positive_rate"),
}
_WORDS: Final = {
    "selection_rate": "favourable decisions",
    "true_positive_rate": "favourable where that is right",
    "false_positive_rate": "favourable where that is wrong",
    "accuracy": "accuracy",
    "changed": "decisions changed",
}


def card(rule: DecisionRule) -> str:
    """Write the card of a rule."""
    parts = [
        f"# Decision rule for {rule.task} ({rule.locale}), even by {rule.axis}",
        f"Turns the log-odds that a model gives to {rule.favourable!r} into a decision. Fitted with fairlearn's "
        f"{rule.method} for {rule.constraint} between {_and(rule.groups)}. It was made from an audit's probes, not "
        "from live cases: measure it on your own before it decides anything, and fit it again whenever the model, its "
        "prompt, its precision or the task changes.",
        "## What it changes\n\n" + "\n".join(f"* {line}" for line in findings(rule)),
        f"Each decision was made by a rule that saw neither its wording nor its name; the rule in this folder is "
        f"fitted on all of them. Right is {_RIGHT[rule.labels]}. 95 % intervals in brackets.",
        _table(rule),
        "## What it cannot do\n\n" + _limits(rule),
        "## Whom it asks about\n\n" + _attribute(rule),
        "## The rule\n\n" + _curves(rule),
        "## How to apply it\n\n" + _how(rule),
        "## rule.json\n\n" + _format(),
    ]
    return "\n\n".join(parts) + "\n"


def findings(rule: DecisionRule) -> Iterator[str]:
    """What was seen of the rule, one sentence each."""
    for before, after, size in _gaps(rule, _JUDGED_BY[rule.constraint]):
        whom = f"{_WORDS[before.metric].capitalize()}, {before.group} less {before.reference}"
        yield f"{whom}: {_signed(before)} before, {_signed(after)} after. {_verdict(size)}"
    stages = {figure.stage: figure for figure in rule.figures if figure.metric == "accuracy"}
    if rule.labels != "own":  # there accuracy is what stays, which the next line says
        yield f"Accuracy: {_share(stages['before'])} before, {_share(stages['after'])} after."
    yield from (f"Decisions changed: {_share(figure)}." for figure in rule.figures if figure.metric == "changed")
    yield from rule.notes


def _gaps(rule: DecisionRule, metrics: Iterable[str]) -> Iterator[tuple[Figure, Figure, Figure]]:
    """The gaps of some metrics, each before and after, and by how much it grew."""
    found: dict[tuple[object, ...], dict[str, Figure]] = {}
    for figure in rule.figures:
        if figure.reference is not None and figure.metric in set(metrics):
            key = (figure.metric, figure.cue_channel, figure.group)
            found.setdefault(key, {})[figure.stage] = figure
    for stages in found.values():
        if {"before", "after", "size"} <= stages.keys():
            yield stages["before"], stages["after"], stages["size"]


def _verdict(size: Figure) -> str:
    if size.ci_low is None or size.ci_high is None:
        return "That it is smaller is not shown."
    said = {"narrowed": "The gap is smaller.", "widened": "The gap is LARGER: do not use this rule for that."}
    return said.get(direction((size.estimate, size.ci_low, size.ci_high)), "That it is smaller is not shown.")


def _table(rule: DecisionRule) -> str:
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for figure in rule.figures:
        who = "all" if figure.group is None else figure.group
        if figure.reference is not None:
            who += f" − {figure.reference} ({figure.cue_channel})"
        shown = _signed(figure) if figure.reference or figure.stage == "change" else _share(figure)
        if figure.metric == "changed":
            shown = _share(figure)
        rows.setdefault((_WORDS[figure.metric], who), {})[figure.stage] = shown
    lines = ["| | who | before | after | change |", "|---|---|---|---|---|"]
    for (metric, who), stages in rows.items():
        lines.append(
            "| " + " | ".join([metric, who, *(stages.get(s, "") for s in ("before", "after", "change"))]) + " |"
        )
    return "\n".join(lines)


def _limits(rule: DecisionRule) -> str:
    common = (
        "It evens out rates between groups, over many cases. It does not make two customers with the same case equal, "
        "and says nothing of groups, axes and tasks that it was not fitted on. Between people of the same group it "
        "goes by the model's log-odds alone, whatever these are worth."
    )
    if rule.uses_protected_attribute:
        return common + " Whoever is of none of its groups, or does not say, it cannot decide about."
    return (
        "It knows nothing but the log-odds. Two cases with the same log-odds get the same chance, whoever asks; so "
        "where the model leans towards one group in every case, the rule can make the gap smaller only by going less "
        "by the model: with a threshold where few cases lie, or by lot. Accuracy is what that costs, and the table "
        "above says how much. A wider tolerance costs less and mends less. " + common
    )


def _attribute(rule: DecisionRule) -> str:
    if not rule.uses_protected_attribute:
        return (
            f"The rule does not read {rule.axis}; it was used to fit it. That does not by itself make its decisions "
            "lawful or fair: the log-odds still carry what the model makes of a name."
        )
    return (
        f"**The rule must be told the customer's {rule.axis} whenever it decides, and decides by it: the same case has "
        "another threshold for another group.** In many places that may be unlawful disparate treatment, even where it "
        "is meant to even out results, and asking for, inferring or storing such an attribute has rules of its own. "
        "This is no legal advice; take some before the rule decides about anyone."
    )


def _curves(rule: DecisionRule) -> str:
    lines = [f"Chance of {rule.favourable!r} by log-odds:", ""]
    for name, curve in rule.curves.items():
        lines.append(f"* {name}: {_told(curve)}")
    return "\n".join(lines)


def _told(curve: Curve) -> str:
    r"""A curve in words.

    >>> _told(Curve(0.0, ((0.5, 1.0),)))
    '0.0 % up to 0.5, 100.0 % above it'
    """
    if not curve.steps:
        return f"{curve.below:.1%} whatever the log-odds".replace("%", " %")
    steps = [f"{chance:.1%} above {threshold:.4g}" for threshold, chance in curve.steps[:-1]]
    last = f"{curve.steps[-1][1]:.1%} above " + ("it" if not steps else f"{curve.steps[-1][0]:.4g}")
    return ", ".join([f"{curve.below:.1%} up to {curve.steps[0][0]:.4g}", *steps, last]).replace("%", " %")


def _how(rule: DecisionRule) -> str:
    imports = "import hashlib\nimport json\nfrom pathlib import Path\nfrom typing import Any"
    asked = f', group="{rule.groups[0]}"' if rule.uses_protected_attribute else ""
    of_model = ", ".join(f"{key} {value}" for key, value in rule.model.items() if key != "prompt_text")
    return (
        f"The log-odds are ln P({rule.favourable}) − ln P(any other option), from the probabilities that the model "
        "gives to its answers, all written forms of an option together; read them as the audit did, from the same model"
        f"{f' ({of_model})' if of_model else ''} and with the same system prompt. Copy this function; it needs nothing "
        "but Python's own library.\n\n"
        f"```python\n{imports}\n\n\n{inspect.getsource(apply_rule)}```\n\n"
        "```python\n"
        'rule = json.loads(Path("rule.json").read_text(encoding="utf-8"))\n'
        f'favourable, chance = apply_rule(rule, 0.3, "order-10234"{asked})\n'
        "```\n\n"
        "A chance between 0 and 1 is a lot. It is drawn from a hash of the case's id, so that the same case always "
        "gets the same answer and anyone can check it. Take an id that the customer can neither choose nor renew, such "
        "as the order's number; and tell people that a lot is part of the decision where they have a right to know."
    )


def _format() -> str:
    return (
        "`curves` has `everyone`, or one entry for each group where `uses_protected_attribute` is true. The chance of "
        "the favourable option is `below`, or what stands beside the last of `steps` (threshold, chance) whose "
        "threshold lies below the log-odds. `salt` sets the draws of this rule apart from those of others. `task`, "
        "`locale`, `axis`, `groups`, `reference`, `favourable`, `method`, `constraint`, `tolerance`, `labels` and "
        "`model` say what it was fitted on; `figures` and `notes` are those of this card, as fractions of 1. The stage "
        "`size` is how much larger a gap became, whichever side it lies on: below 0 throughout, it is smaller."
    )


def _share(figure: Figure) -> str:
    return _with_interval(figure, ".1f", "%")


def _signed(figure: Figure) -> str:
    return _with_interval(figure, "+.1f", "points")


def _with_interval(figure: Figure, form: str, unit: str) -> str:
    """A rate in per cent, or a difference of rates in points of it, with its interval where there is one."""
    told = f"{100 * figure.estimate:{form}} {unit}"
    if figure.ci_low is None or figure.ci_high is None:
        return told
    return f"{told} [{100 * figure.ci_low:{form}}, {100 * figure.ci_high:{form}}]"


def _and(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"
