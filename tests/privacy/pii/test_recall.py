"""The detector's recall by name group, and the script that measures it on labelled texts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from audit.errors import ConfigError
from audit.privacy.pii import Detector, Found, recall_by_group


def test_a_detector_that_misses_a_group_shows_it() -> None:
    def only_with_a_dot(texts: Sequence[str]) -> list[list[Found]]:
        return [[Found(0, len(text), "PERSON", 0.5)] if "·" in text else [] for text in texts]

    rows = {(row.axis, row.group): row for row in recall_by_group(only_with_a_dot, "zh")}
    assert rows["name", "han"].found == 0 and rows["name", "uyghur"].found > 0
    assert rows["name", "han"].rate.ci_low == 0.0
    assert rows["name", "han"].asked == 10 * rows["name", "han"].names


def test_another_type_at_the_name_is_not_a_find() -> None:
    rows = recall_by_group(lambda texts: [[Found(0, len(text), "ORDER_NUMBER", 0.5)] for text in texts], "en")
    assert {row.found for row in rows} == {0}


def test_english_groups_are_those_of_the_persona_file() -> None:
    rows = recall_by_group(lambda texts: [[] for _ in texts], "en")
    assert {("race", "black"), ("gender", "female"), ("race_gender", "south_asian_male")} <= {
        (row.axis, row.group) for row in rows
    }


def test_most_names_of_every_group_are_found(english: Detector, chinese: Detector) -> None:
    for locale, detector in (("en", english), ("zh", chinese)):
        for row in recall_by_group(detector, locale):
            assert row.rate.rate > 0.8, (row.axis, row.group)


def test_a_locale_without_sentences_is_refused() -> None:
    with pytest.raises(ConfigError, match="known are en, zh"):
        recall_by_group(lambda texts: [[] for _ in texts], "fr")


def test_the_script_measures_the_develop_half(repository: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(repository / "scripts" / "measure_pii.py"), "--locale", "zh", "--out", "pii.md"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "pii.md").read_text(encoding="utf-8")
    assert done.stdout.strip() in text
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| `")}
    assert "`CN_ID`" in rows
    recall = float(rows["`PERSON`"].split("|")[3].split("[")[0])
    assert recall > 85
