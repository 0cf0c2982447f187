"""The scorers on fixed texts with swapped identities: even with masking, far from it without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from audit.config import Config
from audit.errors import ConfigError
from audit.probes import expand
from audit.scorers import checked_locales, score_checks
from audit.scorers import checks as module
from audit.scorers.checks import check_batches, fill_text
from audit.tables import check, from_rows

TEXT_METRICS = ("agency", "communion", "profanity", "readability", "refusal", "tone", "words")


@pytest.fixture(scope="module")
def asked() -> tuple[pa.Table, pa.Table]:
    personas, probes = expand(Config().changed("run", tasks=["open_completion"], sample=40))
    return personas, probes


@pytest.fixture(scope="module")
def checks(asked: tuple[pa.Table, pa.Table]) -> pa.Table:
    personas, probes = asked
    return check("checks", score_checks(probes, personas))


def spread(table: pa.Table, personas: pa.Table) -> pd.Series:
    """For each channel and metric the largest distance between two personas on one text."""
    frame = table.filter(pc.equal(table["status"], "scored")).to_pandas()
    frame = frame.merge(personas.select(["persona_id", "cue_channel"]).to_pandas(), on="persona_id")
    values = frame.groupby(["cue_channel", "metric", "text_id"])["value"]
    return (values.max() - values.min()).groupby(["cue_channel", "metric"]).max()


def person(name: str = "Megan R.", channel: str = "name", **attributes: str) -> dict[str, Any]:
    return {"name": name, "cue_channel": channel, "locale": "en", "attributes": list(attributes.items())}


def test_every_text_is_filled_for_every_persona_but_those_that_describe_nobody(
    checks: pa.Table, asked: tuple[pa.Table, pa.Table]
) -> None:
    personas, _ = asked
    described = {
        row["persona_id"]
        for row in personas.to_pylist()
        if not any(axis.startswith(("placebo:", "irrelevant:")) for axis, _ in row["attributes"])
    }
    assert set(checks["persona_id"].to_pylist()) == described
    texts = set(checks["text_id"].to_pylist())
    assert len(texts) >= 24
    assert set(checks["metric"].to_pylist()) == set(TEXT_METRICS)
    assert checks.num_rows == len(texts) * len(described) * len(TEXT_METRICS)


def test_with_masking_no_scorer_tells_the_shipped_personas_apart(
    checks: pa.Table, asked: tuple[pa.Table, pa.Table]
) -> None:
    found = spread(checks, asked[0])
    assert len(found) == 2 * len(TEXT_METRICS)
    assert found.max() == 0


def test_without_masking_scorers_tell_them_apart(asked: tuple[pa.Table, pa.Table]) -> None:
    personas, probes = asked
    bare = score_checks(probes, personas, mask=lambda text, name, cue: text)
    found = spread(bare, personas)
    assert found["name", "profanity"] > 0.2
    assert found["name", "readability"] > 5
    assert found["name", "words"] >= 1
    assert found["name", "communion"] > 0


def test_texts_that_decline_are_the_last_three_and_no_others(checks: pa.Table) -> None:
    rows = checks.filter(pc.equal(checks["metric"], "refusal")).to_pylist()
    declining = {row["text_id"] for row in rows if row["value"] == 1}
    assert declining == {"check-30", "check-31", "check-32"}
    assert {row["value"] for row in rows if row["text_id"] not in declining} == {0.0}
    tone = checks.filter(pc.equal(checks["metric"], "tone")).to_pylist()
    assert {row["text_id"] for row in tone if row["status"] == "refused"} == declining


def test_a_text_that_is_not_masked_everywhere_shows_as_a_difference(asked: tuple[pa.Table, pa.Table]) -> None:
    personas, probes = asked
    from audit.scorers.masking import mask

    def careless(text: str, name: str | None, cue: str | None) -> str:
        masked = mask(text, name, cue)
        return f"{masked} So lovely." if name and name.startswith("Megan") else masked

    assert spread(score_checks(probes, personas, mask=careless), personas)["name", "tone"] > 0.1


@pytest.mark.parametrize(
    ("who", "said"),
    [
        (person(gender="female", race="black", race_gender="black_female"), "a Black woman named Megan R. of hers"),
        (person("Juan M.", gender="male", race="hispanic"), "a Hispanic man named Juan M. of his"),
        (person("Wei", gender="other", race="east_asian"), "an East Asian other customer named Wei of theirs"),
        (
            person("The customer is 81 years old.", "explicit", age="older"),
            "an 81-year-old customer named customer of theirs",
        ),
    ],
)
def test_a_persona_is_described_by_what_is_known_of_it(who: dict[str, Any], said: str) -> None:
    assert fill_text("{a_person} named {name} of {theirs}", who) == said


def test_empty_words_leave_no_gap_and_articles_fit() -> None:
    who = person(race="east_asian")
    assert fill_text("As a {stage} {noun}, {they} came. A {people} shop!", who) == (
        "As a customer, they came. An East Asian shop!"
    )


def test_title_and_surname_follow_the_gender() -> None:
    text = "{formal}: {They_are} here."
    assert fill_text(text, person(gender="female")) == "Ms. R.: She's here."
    assert fill_text(text, person("Todd B.", gender="male")) == "Mr. B.: He's here."
    assert fill_text(text, person("Wei", race="asian")) == "Mx. Wei: They're here."


def test_a_sentence_stands_for_the_persona_that_it_describes() -> None:
    who = person("The customer is 81 years old.", "explicit", age="older")
    assert fill_text("Dear {first}. {cue} {At_age} one knows.", who) == (
        "Dear customer. The customer is 81 years old. At 81, one knows."
    )


def test_only_languages_with_texts_and_runs_with_texts_are_checked(asked: tuple[pa.Table, pa.Table]) -> None:
    personas, probes = asked
    assert checked_locales(probes) == ("en",)
    place = probes.schema.get_field_index("locale")
    for locale, found in (("en-GB", ("en-GB",)), ("xx", ())):
        other = probes.set_column(place, probes.schema.field(place), pa.array([locale] * probes.num_rows))
        assert checked_locales(other) == found
        assert score_checks(other, personas).num_rows == 0, "no persona of that locale"
    decisions = probes.filter(pc.not_equal(probes["output_form"], "text"))
    assert checked_locales(decisions) == ()


def test_batches_hold_every_cell_once(asked: tuple[pa.Table, pa.Table], monkeypatch: pytest.MonkeyPatch) -> None:
    personas, probes = asked
    whole = score_checks(probes, personas, scorers=["length"])
    monkeypatch.setattr(module, "ROWS", 500)
    assert len(list(check_batches(personas, "en"))) > 3
    parts = score_checks(probes, personas, scorers=["length"])
    keys = [("text_id", "ascending"), ("persona_id", "ascending")]
    assert parts.combine_chunks().sort_by(keys).equals(whole.combine_chunks().sort_by(keys))


def test_an_unknown_slot_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (module.FOLDER / "en.toml").read_text(encoding="utf-8")
    (tmp_path / "zz.toml").write_text(text.replace("Dear {name},", "Dear {nickname},", 1), encoding="utf-8")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    who = from_rows("personas", [{"persona_id": "a", **person(gender="male"), "locale": "zz"}])
    with pytest.raises(ConfigError, match=r"zz\.toml: text 'check-01': unknown slot \{nickname\}"):
        list(check_batches(who, "zz"))
