"""A small audit of two tasks, with enough wordings and names to look at it three times."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.config import Config, load_config
from tests import tiny

WORDINGS = 14
NAMES = 12


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config with two decision tasks of 14 wordings and 12 names a group, the model left open."""
    folder = tmp_path_factory.mktemp("sequential")
    (folder / "suites").mkdir()
    (folder / "suites" / "catalogue.toml").write_text(tiny.CATALOGUE, encoding="utf-8")
    for task in ("swap", "pay"):
        head = tiny.DECISION.replace('"swap"', f'"{task}"').replace('"Swap"', f'"{task}"')
        wordings = [
            f'[[templates]]\nid = "{task}-{number:02d}"\ncategories = ["kitchen"]\n'
            f'text = "Case {number}: a {{item}} bought for {{price}}. {{facts}} {{customer}} What now?"\n'
            f'name_frame = "The customer is {{name}} from town."\nfacts = {tiny.FACTS}\n'
            for number in range(WORDINGS)
        ]
        (folder / "suites" / f"{task}.toml").write_text(head + "\n".join(wordings), encoding="utf-8")
    people = ['locale = "en"\nreference = { gender = "male", race = "white" }\nintersections = [["race", "gender"]]']
    people[0] = people[0].replace("}", ', race_gender = "white_male" }')
    for race in ("white", "black"):
        for gender in ("female", "male"):
            names = ", ".join(f'"{race[0]}{gender[0]} {letter}ann"' for letter in "ABCDEFGHIJKL"[:NAMES])
            people.append(f'[[names]]\nattributes = {{ gender = "{gender}", race = "{race}" }}\nnames = [{names}]')
    (folder / "personas.toml").write_text("\n".join(people), encoding="utf-8")
    config = folder / "evenhand.toml"
    config.write_text(
        '[model]\nname = "planted:null"\n[run]\ntasks = ["swap", "pay"]\nsuites = ["suites"]\n'
        'personas = "personas.toml"\nmanipulation = false\n'
        '[gate]\npreset = "none"\nmin_templates = 4\nmin_personas = 4\nmin_answer_mass = 0\n'
        + "".join(
            f'[[gate.rules]]\nname = "{task}-{axis}-{metric}"\ntask = "{task}"\nmetric = "{metric}"\naxis = "{axis}"\n'
            f"tolerance = {tolerance}\n"
            for task in ("swap", "pay")
            for axis in ("gender", "race")
            for metric, tolerance in (("log_odds", 0.3), ("p_favourable", 0.3))
        ),
        encoding="utf-8",
    )
    return config


@pytest.fixture
def config(written: Path) -> Config:
    return load_config(written)
