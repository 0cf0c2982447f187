"""What stands after ``planted:`` in a model's name, read and checked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Final

from audit.errors import ConfigError
from audit.planted.keys import HOW, PLANTED, SHARED, TEXTS, WHO, WORLD, WRAPPED, read_value
from audit.planted.scenarios import SCENARIOS, Scenario
from audit.planted.world import World

PREFIX: Final = "planted:"
NULL: Final = "null"

# Mild noise of names and answers, so that the shipped suites have power: what is planted is found, and nothing else is.
QUIET: Final = World(nu=0.05, nu_b=0.05, sigma=0.1, template_sd=0.5, block_sd=0.2)


@dataclass(frozen=True, slots=True)
class Spec:
    """A planted model.

    ``world`` answers decisions and numbers, ``texts`` texts. ``axis`` and ``group``
    say who is affected, ``channel`` told in which way; None leaves it open (the first
    axis, every group but the reference, every channel). ``control`` is how far the
    facts of the positive control move an answer in the unit of the world, ``mass``
    the probability that an answer is valid, ``recognition`` the probability with
    which the group is inferred rightly, ``unit`` what 1 of the world is in a number's
    own unit (None: a tenth of its range). ``missing`` cells are errors.

    With ``inner``, a real model answers and ``delta`` is added to the log-odds of the
    first option, ``shift`` to the expected number.
    """

    text: str
    world: World = QUIET
    texts: World = field(default_factory=lambda: replace(QUIET, kind="tone", base=0.4))
    axis: str | None = None
    group: str | None = None
    channel: str | None = None
    control: float = 3.0
    mass: float = 0.98
    recognition: float = 0.9
    unit: float | None = None
    missing: float = 0.0
    inner: str | None = None
    delta: float = 0.0
    shift: float = 0.0


def read_spec(name: str) -> Spec:
    """Read the name of a planted model.

    ``planted:NAME`` is a scenario of the benchmark, ``planted:null`` a model without
    bias; ``key=value`` after it, or in place of it, change it. ``planted:delta=0.3@MODEL``
    wraps a model of any name.

    >>> spec = read_spec("planted:effect=0.5,axis=gender,group=female")
    >>> spec.world.effect, spec.axis, spec.group
    (0.5, 'gender', 'female')
    >>> read_spec("planted:delta=0.3,axis=age@embedded:smollm2").inner
    'embedded:smollm2'

    Raises
    ------
    ConfigError
        If a name, a key or a value is not known.
    """
    where = f"model {name!r}"
    text, at, inner = name.removeprefix(PREFIX).partition("@")
    first, *others = [part.strip() for part in text.split(",")]
    if at:
        return _wrapping(Spec(name, inner=inner.strip()), [first, *others], where)
    spec, pairs = Spec(name), [first, *others]
    if "=" not in first:
        spec, pairs = _named(name, first, where), others
    return _checked(_changed(spec, _values(pairs, PLANTED, where)), where)


def of_scenario(scenario: Scenario, text: str = "") -> Spec:
    """The planted model of a scenario: what is not its own kind of answer is answered without bias."""
    world = scenario.world
    spec = Spec(
        text or PREFIX + scenario.name,
        channel=scenario.channel if scenario.world.covert else None,
        missing=scenario.design.missing,
    )
    if world.kind in ("refusal", "tone"):
        return replace(spec, texts=world)
    return replace(spec, world=world)


def _named(name: str, first: str, where: str) -> Spec:
    if first == NULL:
        return Spec(name)
    if first not in SCENARIOS:
        close = difflib.get_close_matches(first, SCENARIOS, 1)
        mend = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigError(
            f"{where}: unknown scenario {first!r}; {mend}known are {NULL}, {', '.join(SCENARIOS)}, "
            "or key=value pairs such as effect=0.3,axis=gender,group=female"
        )
    return of_scenario(SCENARIOS[first], name)


def _values(pairs: list[str], known: tuple[str, ...], where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals:
            raise ConfigError(f"{where}: {pair!r} is no key=value; write for example effect=0.3")
        if key in ("delta", "shift") and key not in known:
            raise ConfigError(f"{where}: {key} is added to a real model's answers; name it after @, or use effect")
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            mend = f"did you mean {close[0]!r}? " if close else ""
            raise ConfigError(f"{where}: unknown key {key!r}; {mend}known are {', '.join(known)}")
        if key in found:
            raise ConfigError(f"{where}: {key} stands twice; give it once")
        found[key] = value
    return found


def _changed(spec: Spec, values: Mapping[str, str], where: str = "") -> Spec:
    where = where or f"model {spec.text!r}"
    for key, text in values.items():
        if key in WHO or key in HOW:
            spec = replace(spec, **{key: read_value({**WHO, **HOW}[key], key, text, where)})
        elif key in TEXTS:
            name, reader = TEXTS[key]
            spec = replace(spec, texts=replace(spec.texts, **{name: read_value(reader, key, text, where)}))
        else:
            change = {key: read_value(WORLD[key], key, text, where)}
            spec = replace(spec, world=replace(spec.world, **change))
            if key in SHARED:
                spec = replace(spec, texts=replace(spec.texts, **change))
    return spec


def _checked(spec: Spec, where: str) -> Spec:
    """Refuse shares that leave 0 to 1."""
    shares = [
        ("warm", spec.texts.base, spec.texts.effect),
        ("refusal", spec.texts.refusal, spec.texts.refusal_gap),
        ("failures", spec.world.failures, spec.world.failures_gap),
    ]
    if spec.world.kind == "probability":
        shares.append(("base", spec.world.base, spec.world.effect))
    for key, base, gap in shares:
        if not (0 <= base <= 1 and 0 <= base + gap <= 1):
            raise ConfigError(f"{where}: {key}: {base:g} with its gap is {base + gap:g}; keep both within 0 and 1")
    if spec.group is not None and spec.axis is None:
        raise ConfigError(f"{where}: group: of which axis is {spec.group!r}? add axis=NAME")
    return spec


def _wrapping(spec: Spec, pairs: list[str], where: str) -> Spec:
    if not spec.inner:
        raise ConfigError(f"{where}: name the model to wrap after @, for example @embedded:smollm2")
    if spec.inner.startswith(PREFIX):
        raise ConfigError(f"{where}: a planted model cannot wrap another; name a real model after @")
    values = {
        key: read_value(WRAPPED[key], key, text, where) for key, text in _values(pairs, tuple(WRAPPED), where).items()
    }
    if not {"delta", "shift"} & set(values):
        raise ConfigError(f"{where}: says nothing to add to the model's answers; add delta=0.3 or shift=1")
    return _checked(replace(spec, **values), where)


def facts(spec: Spec) -> Mapping[str, Any]:
    """What of ``spec`` is not as by default, for the manifest."""
    found: dict[str, Any] = {}
    for name in ("axis", "group", "channel", "control", "mass", "recognition", "unit", "missing"):
        found[name] = getattr(spec, name)
    for part in ("world", "texts"):
        world = getattr(spec, part)
        default = World()
        found[part] = {
            item.name: getattr(world, item.name)
            for item in fields(World)
            if getattr(world, item.name) != getattr(default, item.name)
        }
    return MappingProxyType(found)
