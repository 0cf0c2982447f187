"""The rules of a gate: a preset, and over it the user's own."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from pathlib import Path

from audit.config import Config, RuleConfig, Strict, parse, read_toml
from audit.errors import ConfigError
from audit.fairness.metrics import DERIVED, METRICS, RATIO, WITH_RATIO, base_metric, derived
from audit.values import LABEL_FREE, Rule

PRESETS = Path(__file__).parents[1] / "presets"


class _PresetFile(Strict):
    rules: tuple[RuleConfig, ...]


def rules(config: Config) -> tuple[Rule, ...]:
    """The preset's rules in their order, then the user's.

    A rule of the user's with the name of a preset rule stands in its place. Rules
    with level "off" are listed too; :func:`~audit.gate.decide` passes them over. A rule
    with a ratio is one on the log-ratio of means, with tolerance −log(ratio).
    """
    chosen: dict[str, RuleConfig] = {}
    if config.gate.preset != "none":
        path = PRESETS / f"{config.gate.preset}.toml"
        chosen = {rule.name: rule for rule in parse(_PresetFile, read_toml(path), str(path)).rules}
    chosen |= {rule.name: rule for rule in config.gate.rules}
    return tuple(_rule(rule) for rule in chosen.values())


def _rule(rule: RuleConfig) -> Rule:
    values = rule.model_dump(exclude={"ratio"})
    if rule.ratio is not None:
        values |= {"metric": derived(rule.metric, RATIO), "tolerance": -math.log(rule.ratio)}
    return Rule(**values)


def check_rules(config: Config) -> None:
    """Check that the user's own rules name what there is, before anything is asked.

    Raises
    ------
    ConfigError
        For a task, metric, axis, group or cue that no suite, scorer or persona has.
    """
    from audit.probes import load_personas, load_suites

    forms = {suite.task: suite.output_form for suite in load_suites(config.changed("run", tasks=()))}
    groups: dict[str, set[str]] = {}
    cues: set[str] = set()
    for persona in load_personas(config):
        cues.add(persona.cue_channel)
        for axis, group in persona.attributes.items():
            if not axis.startswith(LABEL_FREE):
                groups.setdefault(axis, set()).add(group)
    for rule in config.gate.rules:
        where = f"gate.rules: rule {rule.name!r}"
        require_known(rule.task, forms, f"{where}: task")
        metrics = METRICS[forms[rule.task]]
        named = {*metrics, *(name for name in DERIVED if base_metric(name) in metrics)}
        require_known(rule.metric, named, f"{where}: metric")
        if rule.ratio is not None:
            require_known(rule.metric, WITH_RATIO & metrics, f"{where}: ratio: metric")
        require_known(rule.axis, groups, f"{where}: axis")
        if rule.group is not None:
            require_known(rule.group, groups[rule.axis], f"{where}: group")
        if rule.cue_channel is not None:
            require_known(rule.cue_channel, cues, f"{where}: cue_channel")


def require_known(name: str, known: Iterable[str], where: str) -> None:
    """Raise a ConfigError about ``where`` unless ``name`` is one of ``known``; the mend is the one meant, or all."""
    names = sorted(known)
    if name in names:
        return
    close = difflib.get_close_matches(name, names, 1)
    mend = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}"
    raise ConfigError(f"{where}: unknown {name!r}; {mend}")
