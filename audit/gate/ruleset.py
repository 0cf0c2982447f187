"""The rules of a gate: a preset, and over it the user's own."""

from __future__ import annotations

import math
from pathlib import Path

from audit.config import Config, RuleConfig, Strict, parse, read_toml
from audit.fairness.metrics import RATIO, derived
from audit.values import Rule

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
