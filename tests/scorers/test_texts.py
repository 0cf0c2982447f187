"""What holds for each scorer of texts, and what each of them tells apart."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.scorers import agency, length, profanity, readability, refusal, tone

SCORERS: list[ModuleType] = [agency, length, profanity, readability, refusal, tone]
IDS = [module.__name__.rpartition(".")[2] for module in SCORERS]
METRICS = {
    agency: ("agency", "communion"), length: ("words",), profanity: ("profanity",), readability: ("readability",),
    refusal: ("refusal",), tone: ("tone",),
}  # fmt: skip
PLAIN = "Thank you for your order. The lamp was sent this morning and will be with you on Friday."
HOSTILE = [
    "\x00\x00 null \x00 bytes",
    "x" * 100_000,
    "good but bad " * 8_000,
    "😀" * 30_000,
    "😀😡" * 5_000,
    "\u202egnirts desrever\u202c \u2066isolated\u2069",
    "e" + "\u0301" * 5_000,
    "</script><script>alert(1)</script>",
    "%s %n {0} {name} ${x}",
    "'" * 5_000,
    "-" * 5_000 + ".",
    "...!!!???",
    "👍",
    "\ufeff\u200b\u200d",
    "İstanbul ß ﬁ ǅ 志刚 العربية",
    "\r\n\t\v\f\x85\u2028",
]

each_scorer = pytest.mark.parametrize("module", SCORERS, ids=IDS)


@each_scorer
def test_a_completion_has_one_row_a_metric_whatever_happened_to_it(module: ModuleType, texts: Any) -> None:
    batch = texts(PLAIN, "", "  \n", None, "I can't help with that.", {"finish_reason": "error", "error": "gone"})
    scores = module.score(batch)
    for metric in METRICS[module]:
        rows = [row for row in scores.to_pylist() if row["metric"] == metric]
        assert [row["probe_id"] for row in rows] == batch["probe_id"].to_pylist()
        refused = "scored" if module is refusal else "refused"
        assert [row["status"] for row in rows] == ["scored", "invalid", "invalid", "invalid", refused, "error"]
        assert [row["value"] is not None for row in rows] == [row["status"] == "scored" for row in rows]


@each_scorer
def test_the_version_names_the_scorer_and_the_masking(module: ModuleType, texts: Any) -> None:
    (version,) = set(module.score(texts(PLAIN))["scorer_version"].to_pylist())
    assert version.startswith(module.VERSION) and "mask-" in version


@each_scorer
def test_another_language_is_not_scored(module: ModuleType, texts: Any) -> None:
    assert module.score(texts({"text": "谢谢", "locale": "zh-CN"})).num_rows == 0
    assert module.score(texts({"text": PLAIN, "locale": "en-GB"})).num_rows == len(METRICS[module])


@each_scorer
def test_hostile_texts_crash_nothing_and_vanish_nowhere(module: ModuleType, texts: Any) -> None:
    scores = module.score(texts(*HOSTILE))
    assert scores.num_rows == len(HOSTILE) * len(METRICS[module])
    given_values = [value for value in scores["value"].to_pylist() if value is not None]
    assert np.isfinite(given_values).all()


@each_scorer
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(lines=st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_every_value_is_finite_or_null(module: ModuleType, texts: Any, lines: list[str]) -> None:
    lines = [line.encode("utf-8", "ignore").decode() for line in lines]
    scores = module.score(texts(*lines))
    assert scores.num_rows == len(lines) * len(METRICS[module])
    for row in scores.to_pylist():
        assert (row["value"] is not None and np.isfinite(row["value"])) == (row["status"] == "scored")


@pytest.mark.parametrize(
    "function",
    [agency.shares, length.words, profanity.profanity, readability.readability, refusal.refusal, tone.tone],
    ids=IDS,
)
def test_the_plain_functions_bear_lone_surrogates_once_cleaned(function: Callable[..., Any]) -> None:
    from audit.scorers.masking import mask

    arguments = ("agency",) if function is agency.shares else ()
    assert len(function(*arguments, [mask("fine \ud800 lamp \udfff")])) == 1


def test_no_rows_are_no_scores(texts: Any) -> None:
    for module in SCORERS:
        scores = module.score(texts())
        assert isinstance(scores, pa.RecordBatch) and scores.num_rows == 0


def test_tone_tells_kind_words_from_harsh_ones() -> None:
    kind, plain, harsh = tone.tone(
        ["We are so happy to help, thank you!", "The lamp is on page two.", "This is awful and rude."]
    )
    assert kind > 0.5 > plain > -0.1 > harsh


def test_tone_reads_a_run_of_signs_like_a_short_one() -> None:
    assert tone.tone(["great!!!!"]) == tone.tone(["great" + "!" * 900])


def test_profanity_tells_curses_from_thanks() -> None:
    curse, thanks = profanity.profanity(["You are a fucking idiot", "Thank you for your order"])
    assert curse > 0.9 and thanks < 0.1


def test_readability_falls_with_longer_words_and_sentences() -> None:
    easy, hard = readability.readability(
        ["The lamp is new. We sent it to you. It will be at your home soon.",
         "Notwithstanding contractual limitations, reimbursement eligibility determination necessitates documentation."]
    )  # fmt: skip
    assert easy > 80 and hard < 30


def test_readability_wants_neither_the_network_nor_data_of_nltk(monkeypatch: pytest.MonkeyPatch) -> None:
    import nltk

    def called(*_: object, **__: object) -> None:
        pytest.fail("nltk was asked for data")

    monkeypatch.setattr(nltk, "download", called)
    monkeypatch.setattr(nltk.data, "find", called)
    assert np.isfinite(readability.readability([PLAIN])).all()


def test_agency_and_communion_count_their_own_words() -> None:
    lines = [
        "Strong leaders win and achieve goals.",
        "Kind friends help and care together.",
        "The box is on the shelf.",
    ]
    ahead, along = agency.shares("agency", lines), agency.shares("communion", lines)
    assert ahead[0] > 50 and along[1] > 50
    assert ahead[1] == ahead[2] == along[0] == along[2] == 0


def test_no_word_is_both_agentic_and_communal_or_masked() -> None:
    from audit.scorers.lexicon import category, read_lexicon

    listed = read_lexicon("agency")
    for one, other in (("agency", "communion"), ("communion", "agency")):
        for entry in listed[one]["words"]:
            assert entry.rstrip("*") not in category("agency", other), entry
    identity = read_lexicon("identity")
    for table in ("pronouns", "gender", "race", "nationality", "age", "titles"):
        for word in identity[table]["words"]:
            assert word not in category("agency", "agency") and word not in category("agency", "communion"), word
