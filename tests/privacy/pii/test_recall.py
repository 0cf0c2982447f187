"""The detector's recall by name group, and the script that measures it on labelled texts."""

from __future__ import annotations

import runpy
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


def test_no_group_is_lost(english: Detector, chinese: Detector) -> None:
    for locale, detector in (("en", english), ("zh", chinese)):
        for row in recall_by_group(detector, locale):
            assert row.rate.rate > 0.5, (row.axis, row.group)


def test_a_locale_without_sentences_is_refused() -> None:
    with pytest.raises(ConfigError, match="known are en, zh"):
        recall_by_group(lambda texts: [[] for _ in texts], "fr")


def test_the_script_measures_the_develop_half(
    repository: Path,
    tmp_path: Path,
    chinese: Detector,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["measure_pii.py", "--locale", "zh", "--out", str(tmp_path / "pii.md")])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(repository / "scripts" / "measure_pii.py"), run_name="__main__")
    assert ended.value.code == 0
    text = (tmp_path / "pii.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out.strip() in text
    rows = {line.split("|")[1].strip(): line.split("|") for line in text.splitlines() if line.startswith("| `")}
    assert float(rows["`CN_ID`"][3].split("[")[0]) == 100.0
    assert float(rows["`PERSON`"][3].split("[")[0]) > 85


def test_a_mark_is_taken_apart_and_judged_by_overlap(repository: Path) -> None:
    script = runpy.run_path(str(repository / "scripts" / "measure_pii.py"))
    text = script["parse_marks"]("Hi ⟪PERSON|Ana Reyes⟫,⏎order ⟪ORDER_NUMBER|77-1⟫")
    assert text.text == "Hi Ana Reyes,\norder 77-1"
    found = [Found(3, 6, "PERSON", 0.5), Found(20, 24, "LOYALTY_NUMBER", 0.9)]
    tallies = script["judged"]([text], [found])
    assert (tallies["PERSON"].seen, tallies["PERSON"].exact, tallies["PERSON"].right) == (1, 0, 1)
    assert (tallies["ORDER_NUMBER"].seen, tallies["LOYALTY_NUMBER"].right) == (0, 0)
    with pytest.raises(ValueError, match="not closed"):
        script["parse_marks"]("⟪PERSON|Ana")
    with pytest.raises(ValueError, match="unknown type"):
        script["parse_marks"]("⟪NAME|Ana⟫")
