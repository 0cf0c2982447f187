"""Made-up tables of a run with known answers, for tests of measuring and judging."""

from __future__ import annotations

import math

import numpy as np

from audit import tables
from audit.config import Config, GateConfig, RuleConfig
from audit.fairness import Terms, measure
from audit.gate import decide, overall
from audit.values import content_hash

TERMS = Terms(
    references={"gender": "male", "race": "white", "age": "middle"},
    units={"discount": "percentage points"},
    control_metrics={"refund": "log_odds", "discount": "expected_number", "reply": "tone"},
)
FORMS = {"refund": "decision", "discount": "number", "reply": "text"}
METRICS = {
    "refund": ("log_odds", "p_favourable", "answer_mass"),
    "discount": ("expected_number", "answer_mass"),
    "reply": ("tone", "refusal", "words"),
}


class Made:
    """Tables of a run: call ``ask`` for each probe, then ``tables``."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.personas, self.probes, self.scores = {}, [], []

    def person(self, name, channel, cue_id, **attributes):
        row = {"persona_id": name, "name": name, "cue_id": cue_id, "locale": "en", "cue_channel": channel}
        self.personas[name] = row | {"attributes": {key.replace("__", ":"): v for key, v in attributes.items()}}
        return name

    def ask(self, task, template, arm, value, *, persona=None, gold=None, draws=1, status="scored", category=None):
        category = category or ("shoes", "toys")[template % 2]
        number = len(self.probes)
        self.probes.append(
            {
                "probe_id": f"p{number:05}", "suite": task, "task": task, "locale": "en", "messages": [], "options": [],
                "template_id": f"{task}-{template}", "category": category, "arm": arm, "purpose": "audit",
                "block_id": content_hash([task, template, category], 8), "persona_id": persona, "gold": gold,
                "output_form": FORMS[task],
            }
        )  # fmt: skip
        for draw in range(draws):
            for metric in METRICS[task]:
                held = "scored" if metric == "refusal" else status
                worth = {"answer_mass": 0.7, "words": 30.0, "refusal": float(status == "refused"),
                         "p_favourable": 1 / (1 + math.exp(-value))}.get(metric, value)  # fmt: skip
                self.score(number, draw, metric, worth, held)

    def score(self, number, draw, metric, value, status="scored"):
        row = {"probe_id": f"p{number:05}", "draw": draw, "metric": metric, "status": status, "scorer_version": "1"}
        self.scores.append(row | {"value": value if status == "scored" else None})

    def tables(self):
        made = {"scores": self.scores, "probes": self.probes, "personas": list(self.personas.values())}
        return tuple(tables.check(name, tables.from_rows(name, rows)) for name, rows in made.items())

    def measured(self, config=None, terms=TERMS):
        return measure(*self.tables(), config or Config(), terms=terms).to_pylist()


def a_run(
    task="refund", *, gap=0.0, control=1.0, templates=14, names=10, name_sd=0.05, noise=0.05, seed=0, groups=None
):
    """Names of two genders and two races in every template; ``gap`` falls on women."""
    made = Made(seed)
    people = []
    for gender in ("female", "male"):
        for race in ("black", "white"):
            for i in range((groups or {}).get(gender, names) // 2):
                name = made.person(f"{race} {gender} {i}", "name", None, gender=gender, race=race)
                people.append((name, gap * (gender == "female") + name_sd * made.rng.normal()))
    for template in range(templates):
        level = made.rng.normal()
        made.ask(task, template, "no_cue", level)
        for pole, sign in (("favourable", 0.5), ("unfavourable", -0.5)):
            made.ask(task, template, "positive_control", level + sign * control + noise * made.rng.normal(), gold=pole)
        for name, effect in people:
            made.ask(task, template, "target", level + effect + noise * made.rng.normal(), persona=name)
    return made


def aged(made, *, gap=0.5, templates=12, phrasings=10, placebos=10, placebo_sd=0.05):
    """Explicit ages, and irrelevant sentences with the same numbers."""
    effects = placebo_sd * made.rng.normal(size=placebos)
    for template in range(templates):
        level = made.rng.normal()
        for group in ("middle", "older"):
            older = group == "older"
            for m in range(phrasings):
                who = made.person(f"age {m} {group}", "explicit", f"age-{m}", age=group)
                value = level + 0.1 * m + older * gap + 0.05 * made.rng.normal()
                made.ask("refund", template, "target", value, persona=who)
            for j in range(placebos):
                who = made.person(f"shelf {j} {group}", "explicit", f"placebo-age-{j}", placebo__age=group)
                made.ask("refund", template, "placebo", level + older * effects[j], persona=who)
    return effects


def pick(rows, **wanted):
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def the(rows, **wanted):
    (row,) = pick(rows, **wanted)
    return row


def gated(made, *, tolerance=0.2, ratio=None, metric="log_odds", task="refund", **gate):
    own = RuleConfig(name="gap", task=task, metric=metric, axis="gender", tolerance=tolerance, ratio=ratio)
    config = Config(gate=GateConfig(preset="none", rules=(own,), **gate))
    verdicts = decide(measure(*made.tables(), config, terms=TERMS), config)
    return verdicts.to_pylist(), overall(verdicts)
