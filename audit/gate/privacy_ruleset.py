"""The rules on what leaks: a preset, and over it the user's own; and what a rule may name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from audit.config import Config, PrivacyRuleConfig, Strict, parse, read_toml
from audit.errors import ConfigError
from audit.gate.ruleset import PRESETS, require_known
from audit.privacy.records.values import IDENTIFIER_TYPES

EPSILON: Final = "epsilon_lower_bound"
BLIND: Final = "auc:blind"
# Where the preset's limits on found members come from: a false positive rate of 1 %.
_PRESET_FPR: Final = 0.01


@dataclass(frozen=True, slots=True)
class Family:
    """What is known of the metrics that begin alike.

    ``parts`` may follow the first word, and after them a type of identifier where ``typed``;
    ``category`` is whose figure is judged, ``controls`` what may be taken off it, ``topic`` the word
    under which the manifest says why it could not be measured.
    """

    topic: str
    category: str
    controls: tuple[str, ...]
    parts: tuple[str, ...] = ()
    typed: bool = False


_ATTACKS: Final = ("loss", "zlib", "reference", "min_k", "min_k_plus")
_CANARY: Final = Family("exposure", "inserted", ("base", "not_inserted"))
_ATTACK: Final = Family("membership", "member", ("base",), _ATTACKS)
_FAMILIES: Final[Mapping[str, Family]] = {
    "exposure": _CANARY,
    "exposure_extrapolated": _CANARY,
    "auc": _ATTACK,
    "tpr_at_fpr": _ATTACK,
    "extraction": Family("extraction", "member", ("base", "held_out"), ("greedy", "discoverable", "black_box")),
    "identifier": Family("extraction", "member", ("base", "held_out"), ("greedy", "discoverable"), typed=True),
    "pii_rate": Family("pii", "generation", ("base",), ("any", "in_training", "learned"), typed=True),
    "leaked_customers": Family("pii", "member", ("base",)),
    "canaries_emitted": Family("pii", "inserted", ("not_inserted",)),
    EPSILON: Family(EPSILON, "inserted", ()),
}
# Controls that a family has, and these metrics of it have not: the attack that takes the base off already, and
# what a model is asked for through a service.
_UNCONTROLLED: Final = {"auc:reference": "base", "tpr_at_fpr:reference": "base", "extraction:black_box": "base"}
# What is not measured by group of the author: texts without one, and counts too small to divide.
_UNGROUPED: Final = ("pii_rate", "canaries_emitted")
# Families that are shares: a limit of 1 or more would be none.
_SHARES: Final = ("auc", "tpr_at_fpr", "extraction", "identifier", "pii_rate", "leaked_customers", "canaries_emitted")


class _PresetFile(Strict):
    rules: tuple[PrivacyRuleConfig, ...]


def privacy_rules(config: Config) -> tuple[PrivacyRuleConfig, ...]:
    """The preset's rules in their order, then the user's; a user's rule stands in place of a preset's of its name.

    Limits of the preset on members found at a false positive rate move with that rate. A rule
    on the empirical ε has the claimed ε as its maximum where it names none; the preset's is left
    out where nothing is claimed.
    """
    own = {rule.name: rule for rule in config.gate.privacy}
    chosen: dict[str, PrivacyRuleConfig] = {}
    if config.gate.preset != "none":
        path = PRESETS / "privacy.toml"
        for rule in parse(_PresetFile, read_toml(path), str(path)).rules:
            if rule.metric != EPSILON or config.privacy.claimed_epsilon is not None or rule.name in own:
                chosen[rule.name] = _at_fpr(rule, config.privacy.fpr)
    chosen |= own
    return tuple(_with_claim(rule, config.privacy.claimed_epsilon) for rule in chosen.values())


def check_privacy_rules(config: Config, groups: Mapping[str, Collection[str]] | None = None) -> None:
    """Check that the user's own rules name what there is, before anything is asked.

    Parameters
    ----------
    groups : axis → groups of the records' authors, where the records were read already; axes are
        not checked without it.

    Raises
    ------
    ConfigError
        For a metric, a control, an axis or a group that there is not, an axis where nothing is
        measured by group, a share with a limit of 1 or more, and a rule on the empirical ε without
        a claimed one.
    """
    for rule in config.gate.privacy:
        where = f"gate.privacy: rule {rule.name!r}"
        if rule.metric not in metrics():
            # Types are told of only where one was meant: there are dozens of such names.
            require_known(rule.metric, metrics(typed=rule.metric.count(":") > 1), f"{where}: metric")
        family = rule.metric.partition(":")[0]
        if rule.minus is not None:
            controls = controls_of(rule.metric)
            if not controls:
                raise ConfigError(f"{where}: minus: nothing is taken off {rule.metric}; leave minus out")
            require_known(rule.minus, controls, f"{where}: minus")
        if rule.axis is not None:
            _check_by_group(rule, where, config.privacy.fpr)
        if family in _SHARES and rule.maximum is not None and rule.maximum >= 1:
            raise ConfigError(f"{where}: maximum: {rule.metric} is a share of 1; write 0.01 for 1 %")
        if family == EPSILON and rule.maximum is None and config.privacy.claimed_epsilon is None:
            raise ConfigError(f"{where}: no epsilon is claimed; add maximum, or claimed_epsilon in [privacy]")
        if groups is not None and rule.axis is not None:
            require_known(rule.axis, groups, f"{where}: axis")
            if rule.group is not None:
                require_known(rule.group, groups[rule.axis], f"{where}: group")


def _check_by_group(rule: PrivacyRuleConfig, where: str, fpr: float) -> None:
    """Refuse what has no finding by group, and so could never be judged."""
    family, *parts = rule.metric.split(":")
    if rule.minus is not None:
        raise ConfigError(
            f"{where}: minus: what lies above a control is not measured by group; leave out minus or axis"
        )
    if family in _UNGROUPED or len(parts) > 1 or parts == ["black_box"]:
        raise ConfigError(f"{where}: axis: {rule.metric} is not measured by group; leave axis out")
    if is_at_fpr(rule) and rule.maximum is not None and rule.maximum <= fpr:
        raise ConfigError(
            f"{where}: maximum: groups are judged by what lies above the false positive rate; give more than {fpr:g}"
        )


def controls_of(metric: str) -> tuple[str, ...]:
    """What may be taken off a metric: the controls of which there are findings.

    >>> controls_of("auc:loss"), controls_of("auc:reference"), controls_of("extraction:black_box")
    (('base',), (), ('held_out',))
    """
    every = _FAMILIES[metric.partition(":")[0]].controls
    return tuple(one for one in every if one != _UNCONTROLLED.get(metric))


def metrics(*, typed: bool = True) -> frozenset[str]:
    """Every metric that a rule may name; those of a single type of identifier only where ``typed``."""
    found = set()
    for first, family in _FAMILIES.items():
        for name in [f"{first}:{part}" for part in family.parts] or [first]:
            found |= {name, *(f"{name}:{kind}" for kind in IDENTIFIER_TYPES if typed and family.typed)}
    return frozenset(found)


def category_of(metric: str) -> str:
    """Whose figure a rule judges: that of inserted canaries, members or generations.

    >>> category_of("identifier:greedy:EMAIL_ADDRESS"), category_of("exposure")
    ('member', 'inserted')
    """
    return _FAMILIES[metric.partition(":")[0]].category


def topics_of(rule: PrivacyRuleConfig) -> tuple[str, ...]:
    """Under which topics the manifest may say why a rule's figure could not be measured, nearest first.

    >>> topics_of(PrivacyRuleConfig(name="x", metric="pii_rate:learned", maximum=.01))
    ('pii', 'pii_in_training', 'base')
    """
    family, _, part = rule.metric.partition(":")
    part = part.partition(":")[0]
    topics = [_FAMILIES[family].topic]
    if family == "canaries_emitted":
        topics.append("exposure")  # where no canaries were planted, that is said there
    elif topics == ["pii"] and part != "any":
        topics.append("pii_in_training")
    if "base" in (rule.minus, {"reference": "base", "learned": "base"}.get(part)):
        topics.append("base")
    if rule.minus == "held_out":
        topics.append("membership")
    return tuple(topics)


def is_at_fpr(rule: PrivacyRuleConfig) -> bool:
    """Whether a rule is on members found at a false positive rate."""
    return rule.metric.startswith("tpr_at_fpr:")


def is_attack(rule: PrivacyRuleConfig) -> bool:
    """Whether a rule is on how well members are told from held-out records."""
    return _FAMILIES[rule.metric.partition(":")[0]] is _ATTACK


def _at_fpr(rule: PrivacyRuleConfig, fpr: float) -> PrivacyRuleConfig:
    if not is_at_fpr(rule) or rule.maximum is None:
        return rule
    return rule.model_copy(update={"maximum": rule.maximum * (fpr / _PRESET_FPR)})


def _with_claim(rule: PrivacyRuleConfig, claimed: float | None) -> PrivacyRuleConfig:
    if rule.metric != EPSILON or rule.maximum is not None:
        return rule
    return rule.model_copy(update={"maximum": claimed})
