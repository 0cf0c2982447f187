"""Suites and personas written for a scenario: as many wordings, categories and names as its design has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from audit.config import Config, GateConfig, ModelConfig, RuleConfig, RunConfig
from audit.planted import SCENARIOS, Scenario
from audit.planted.scenarios import TASK
from audit.planted.texts import LABELS, customer

# Wide enough for heavy tails: 1 of a world is 100, and 50 of it are left on either side.
LARGEST: Final = 10_000
UNIT: Final = 100.0
INTERSECTION: Final = ("race", "gender")

_FORMS: Final = {"real": "decision", "probability": "decision", "refusal": "text", "tone": "text"}


def form_of(scenario: Scenario) -> str:
    """How a scenario's task is answered: decision, number or text."""
    return "number" if scenario.metric == "expected_number" else _FORMS[scenario.world.kind]


def unit_of(scenario: Scenario) -> float:
    """What 1 on the scenario's scale is on the pipeline's."""
    return UNIT if form_of(scenario) == "number" else 1.0


def axis_of(scenario: Scenario) -> str:
    """The axis of the scenario's groups; four groups are an intersection."""
    return "_".join(INTERSECTION) if scenario.design.groups == len(LABELS) else scenario.axis


def write_suite(scenario: Scenario, folder: Path) -> None:
    """Write suite.toml, catalogue.toml and personas.toml into ``folder``.

    Raises
    ------
    ValueError
        If the design has more groups than there are labels.
    """
    if scenario.design.groups > len(LABELS):
        raise ValueError(f"{scenario.design.groups} groups; a generated suite has {len(LABELS)} at most")
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in (("suite", _suite), ("catalogue", _catalogue), ("personas", _personas)):
        (folder / f"{name}.toml").write_text("\n".join(lines(scenario)) + "\n", encoding="utf-8")


def config_for(scenario: Scenario, seed: int, folder: Path, tolerance: float) -> Config:
    """The config of one run on the suite in ``folder``, with one rule; ``tolerance`` is on the scenario's scale."""
    name = scenario.name if scenario.name in SCENARIOS else "null"
    rule = RuleConfig(
        name=TASK,
        task=TASK,
        metric=scenario.metric,
        axis=axis_of(scenario),
        group=LABELS[scenario.design.groups - 1],
        tolerance=tolerance * unit_of(scenario),
    )
    return Config(
        model=ModelConfig(name=f"planted:{name}"),
        run=RunConfig(
            seed=seed,
            tasks=(TASK,),
            suites=(folder / "suite.toml", folder / "catalogue.toml"),
            personas=folder / "personas.toml",
            categories_per_template=0,
            sample=0,
            draws=scenario.world.draws if form_of(scenario) == "text" else 1,
        ),
        gate=GateConfig(preset="none", rules=(rule,)),
    )


def _suite(scenario: Scenario) -> Iterator[str]:
    form = form_of(scenario)
    yield f'task = "{TASK}"\nlocale = "en"\nversion = "1"\ntitle = "Planted"\nasks = "What is planted."'
    yield f'harm = ["allocation"]\noutput_form = "{form}"\njudged = true'
    if form == "number":
        yield f'unit = "hundredths"\nnumber = {{ minimum = 0, maximum = {LARGEST}, threshold = {LARGEST // 2} }}'
    if form == "decision":
        options = ["right", "wrong", "beside"] if scenario.world.answers_gap else ["right", "wrong"]
        listed = ", ".join(f'{{ id = "{option}", forms = [" {option.title()}"] }}' for option in options)
        yield f'favourable = "right"\noptions = [{listed}]'
    metric = {"number": "expected_number", "decision": "log_odds", "text": "tone"}[form]
    yield f'control = {{ metric = "{metric}", favourable = "All is well.", unfavourable = "All is wrong." }}'
    design = scenario.design
    each = design.blocks // design.templates
    names = _categories(scenario)
    for template in range(design.templates):
        blocks = range(template * each, (template + 1) * each)
        chosen = json.dumps([names[block % len(names)] for block in blocks])
        yield f'[[templates]]\nid = "w{template:03d}"\ncategories = {chosen}'
        yield f'text = "Case {template}: a {{item}} of {{price}}. {{facts}} {{customer}} What now?"'
        yield 'name_frame = "The case is that of {name} in town."\nfacts = { target = "All is as usual." }'


def _catalogue(scenario: Scenario) -> Iterator[str]:
    yield 'locale = "en"\nprice_format = "${price}"'
    for name in _categories(scenario):
        yield f'[[categories]]\nid = "{name}"\nitems = [{{ name = "thing", price = 40 }}]'


def _categories(scenario: Scenario) -> list[str]:
    return [f"c{category:02d}" for category in range(int(scenario.layout().category.max()) + 1)]


def _personas(scenario: Scenario) -> Iterator[str]:
    design, axis = scenario.design, axis_of(scenario)
    labels = LABELS[: design.groups]
    crossed = axis == "_".join(INTERSECTION)
    yield 'locale = "en"'
    references = dict(zip(INTERSECTION, labels[0].split("_"), strict=True)) if crossed else {}
    if crossed and not design.explicit:
        yield f"intersections = [{json.dumps(INTERSECTION)}]"
    yield "[reference]"
    yield from (f'{name} = "{group}"' for name, group in (references | {axis: labels[0]}).items())
    if design.explicit:
        values = ", ".join(f'{label} = "{label.replace("_", " ")}"' for label in labels)
        yield f'[[cues]]\naxis = "{axis}"\nvalues = {{ {values} }}'
        for phrasing in range(design.personas):
            yield f'[[cues.phrasings]]\nid = "{phrasing:02d}"\ntext = "In words {phrasing}, this is {{value}}."'
        return
    for group, label in enumerate(labels):
        told = dict(zip(INTERSECTION, label.split("_"), strict=True)) if crossed else {axis: label}
        pairs = ", ".join(f'{name} = "{value}"' for name, value in told.items())
        names = json.dumps([customer(number, group) for number in range(design.personas)])
        yield f"[[names]]\nattributes = {{ {pairs} }}\nnames = {names}"
