"""Finished runs of planted models, and cases made up by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit import pipeline
from audit.config import Config, parse
from audit.mitigation.decisions.cases import Cases, open_run, read_cases
from audit.probes.suite import SHIPPED

BIASED = "planted:effect=0.5,axis=gender,group=female"
AUTHORED = SHIPPED / "en" / "refund_decision.toml"


def scored(name: str, out: Path, **run: Any) -> Path:
    """Ask a planted model for refunds and score its answers."""
    settings = {"tasks": ["refund_decision"], "manipulation": False, **run}
    config = parse(Config, {"model": {"name": name}, "run": settings}, "test")
    started = pipeline.start(config, out)
    pipeline.complete(started)
    pipeline.score(started)
    return out


@pytest.fixture(scope="session")
def biased(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a model that adds 0.5 to the log-odds of women."""
    return scored(BIASED, tmp_path_factory.mktemp("runs") / "biased")


@pytest.fixture(scope="session")
def even(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a model without bias."""
    return scored("planted:null", tmp_path_factory.mktemp("runs") / "even")


@pytest.fixture(scope="session")
def with_gold(biased: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The biased run again, its policy giving each case what the model decides where nobody is described."""
    run = open_run(biased)
    bare = read_cases(run, task="refund_decision", axis="gender", constraint="demographic-parity", labels="no-cue")
    right = {str(t): "yes" if label else "no" for t, label in zip(bare.template, bare.label, strict=True)}
    return golden(tmp_path_factory.mktemp("gold"), lambda template: f'gold = "{right[template]}"')


def golden(folder: Path, gold: Callable[[str], str]) -> Path:
    """A biased run of the shipped suite with a line of gold in each template."""
    text = re.sub(
        r'(\[\[templates\]\]\nid = "([\w-]+)")', lambda m: f"{m[1]}\n{gold(m[2])}", AUTHORED.read_text("utf-8")
    )
    suite = folder / "refund.toml"
    suite.write_text(text, encoding="utf-8")
    return scored(BIASED, folder / "run", suites=[str(suite)])


@pytest.fixture
def made() -> Callable[..., Cases]:
    """Cases of two groups, women's log-odds ``shift`` higher, right where a hidden merit lies above 0."""

    def build(shift: float = 0.8, templates: int = 12, names: int = 6, seed: int = 0, noise: float = 0.3) -> Cases:
        rng = np.random.default_rng(seed)
        merit = rng.normal(size=templates)
        rows = [
            (t, group, f"{group}-{n}", merit[t] + shift * (group == "f") + noise * rng.normal())
            for t in range(templates)
            for group in ("f", "m")
            for n in range(names)
        ]
        words = [np.array([str(row[place]) for row in rows], object) for place in (0, 1, 2)]
        label = np.array([int(merit[row[0]] > 0) for row in rows], np.int64)
        return Cases(
            log_odds=np.array([row[3] for row in rows]),
            group=words[1],
            label=label,
            template=words[0],
            stimulus=words[2],
            block=words[0],
            channel=np.array(["name"] * len(rows), object),
            bare=np.array([merit[row[0]] for row in rows]),
            groups=("f", "m"),
            reference="m",
            labels="no-cue",
            favourable="yes",
            missing=0,
        )

    return build
