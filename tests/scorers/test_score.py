"""The whole stage: tables in, scores out."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import audit.probes
from audit import plugins
from audit.config import Config
from audit.errors import ConfigError
from audit.scorers import BUILT_IN, score, stream
from audit.scorers.join import joined
from audit.tables import check, from_rows

CONFIG = Config()
OPTIONS = {
    "decision": [{"id": "yes", "forms": [" Yes"]}, {"id": "no", "forms": [" No"]}],
    "number": [{"id": "number", "forms": ["0", "30"]}],
    "text": None,
}
ANSWERS: dict[str, dict[str, Any]] = {
    "decision": {
        "mode": "exact", "finish_reason": "exact", "support": ["yes", "no"], "probs": [0.75, 0.25],
        "option_logprobs": [np.log(0.3), np.log(0.1)], "answer_mass": 0.4,
    },
    "number": {
        "mode": "exact", "finish_reason": "exact", "support": ["5", "20"], "probs": [0.6, 0.4], "answer_mass": 0.9,
        "residual_mass": 0.1,
    },
    "text": {"mode": "sampled", "finish_reason": "length", "text": "Dear Keisha, thank you for your patience."},
}  # fmt: skip


@pytest.fixture(autouse=True)
def suites(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = SimpleNamespace(task="number", threshold=10.0)
    monkeypatch.setattr(audit.probes, "load_suites", lambda config: (suite,))


@pytest.fixture(scope="module")
def personas() -> pa.Table:
    common = {"locale": "en", "cue_channel": "name"}
    return from_rows(
        "personas",
        [
            {"persona_id": "a", "name": "Keisha M.", "attributes": [("race", "black")], **common},
            {"persona_id": "b", "name": "Megan M.", "attributes": [("race", "white")], **common},
        ],
    )


def probes_of(*forms: str, persona: str | None = "a") -> pa.Table:
    return from_rows(
        "probes",
        [
            {
                "probe_id": f"{form}-{number}", "suite": f"en/{form}@1", "task": form, "locale": "en",
                "template_id": "t", "category": "c", "block_id": "b", "arm": "target", "purpose": "audit",
                "persona_id": persona, "messages": [], "output_form": form, "options": OPTIONS[form],
            }
            for number, form in enumerate(forms)
        ],
    )  # fmt: skip


def completions_of(probes: pa.Table, *changes: dict[str, Any], draws: int = 1) -> pa.Table:
    rows = [
        {"probe_id": probe["probe_id"], "draw": draw, "prompt_tokens": 1, "completion_tokens": 1}
        | ANSWERS[probe["output_form"]]
        | (changes[number] if number < len(changes) else {})
        for number, probe in enumerate(probes.to_pylist())
        for draw in range(draws)
    ]
    return from_rows("completions", rows)


def test_each_output_form_has_its_metrics(personas: pa.Table) -> None:
    probes = probes_of("text", "number", "decision")
    scores = check("scores", score(completions_of(probes), probes, personas, CONFIG))
    metrics: dict[str, list[str]] = {}
    for row in scores.to_pylist():
        metrics.setdefault(row["probe_id"], []).append(row["metric"])
    assert metrics == {
        "text-0": ["agency", "communion", "profanity", "readability", "refusal", "tone", "words"],
        "number-1": ["answer_mass", "expected_number", "p_at_least"],
        "decision-2": ["answer_mass", "log_odds", "p_favourable"],
    }
    values = {row["metric"]: row["value"] for row in scores.to_pylist() if row["metric"] != "answer_mass"}
    assert values["log_odds"] == pytest.approx(np.log(3)) and values["p_favourable"] == pytest.approx(0.75)
    assert values["expected_number"] == pytest.approx(11) and values["p_at_least"] == pytest.approx(0.4)
    assert set(scores["status"].to_pylist()) == {"scored"}


def test_the_order_is_of_probes_then_draws_then_metrics_however_rows_arrive(personas: pa.Table) -> None:
    probes = probes_of("decision", "text", "number", "decision")
    completions = completions_of(probes, draws=3)
    shuffled = completions.take(pa.array(np.random.default_rng(5).permutation(completions.num_rows)))
    scores = score(shuffled, probes, personas, CONFIG)
    place = {probe: number for number, probe in enumerate(probes["probe_id"].to_pylist())}
    keys = [(place[row["probe_id"]], row["draw"], row["metric"]) for row in scores.to_pylist()]
    assert keys == sorted(keys)
    assert scores.equals(score(completions, probes, personas, CONFIG))


def test_batches_join_to_the_same_table(personas: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    probes = probes_of(*["decision", "text", "number"] * 5)
    completions = completions_of(probes, draws=2)
    whole = score(completions, probes, personas, CONFIG)
    monkeypatch.setattr("audit.scorers.joined", lambda *args: joined(*args, rows=7))
    parts = list(stream(completions, probes, personas, CONFIG))
    assert len(parts) == 5
    assert pa.Table.from_batches(parts).equals(whole.combine_chunks())


def test_the_persona_of_each_probe_is_masked(personas: pa.Table) -> None:
    texts = [f"Dear {name}, thank you for your patience." for name in ("Keisha M.", "Megan", "Ms. M.")]
    for persona, expected in (("a", [True, False, True]), ("b", [False, True, True]), (None, [False, False, False])):
        probes = probes_of("text", "text", "text", persona=persona)
        completions = completions_of(probes, *({"text": text} for text in texts))
        (batch,) = joined(completions, probes, personas, CONFIG)
        masked = [text.startswith("Dear someone,") for text in batch["masked_text"].to_pylist()]
        assert masked == expected
        assert batch["text"].to_pylist() == texts


def test_statuses_go_through_the_stage(personas: pa.Table) -> None:
    probes = probes_of("text", "text", "text", "decision", "decision")
    failed = {"finish_reason": "error", "error": "timeout", "text": None, "probs": None, "answer_mass": None}
    completions = completions_of(
        probes, {"text": "I'm sorry, but I can't help with that."}, {"text": " "}, failed, failed, {"answer_mass": 0.0}
    )
    scores = check("scores", score(completions, probes, personas, CONFIG)).to_pylist()
    found = {(row["probe_id"], row["metric"]): (row["status"], row["value"]) for row in scores}
    assert len(found) == 3 * 7 + 2 * 3
    assert found["text-0", "refusal"] == ("scored", 1.0)
    assert found["text-0", "tone"] == found["text-0", "words"] == ("refused", None)
    assert found["text-1", "tone"] == found["text-1", "refusal"] == ("invalid", None)
    assert found["text-2", "tone"] == found["text-2", "refusal"] == ("error", None)
    assert found["decision-3", "log_odds"] == found["decision-3", "answer_mass"] == ("error", None)
    assert found["decision-4", "log_odds"] == ("invalid", None)
    assert found["decision-4", "answer_mass"] == ("scored", 0.0)


def test_no_completions_are_no_scores(personas: pa.Table) -> None:
    probes = probes_of("decision")
    scores = score(completions_of(probes).slice(0, 0), probes, personas, CONFIG)
    assert check("scores", scores).num_rows == 0


def test_a_completion_of_an_unknown_probe_is_an_error(personas: pa.Table) -> None:
    probes = probes_of("decision", "decision")
    with pytest.raises(ConfigError, match=r"probe 'decision-1' is not in the table probes"):
        score(completions_of(probes), probes.slice(0, 1), personas, CONFIG)


def test_a_probe_of_an_unknown_persona_is_an_error(personas: pa.Table) -> None:
    probes = probes_of("decision", persona="zzz")
    with pytest.raises(ConfigError, match=r"persona 'zzz' is not in the table personas"):
        score(completions_of(probes), probes, personas, CONFIG)


def test_a_number_without_a_suite_is_an_error(personas: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit.probes, "load_suites", lambda config: ())
    probes = probes_of("number")
    with pytest.raises(ConfigError, match=r"task 'number': no suite gives it a threshold"):
        score(completions_of(probes), probes, personas, CONFIG)


def test_only_the_scorers_named_are_run(personas: pa.Table) -> None:
    probes = probes_of("decision", "text")
    scores = score(completions_of(probes), probes, personas, CONFIG, scorers=["length"])
    assert scores["metric"].to_pylist() == ["words"]


def test_two_scorers_of_one_metric_are_an_error(personas: pa.Table) -> None:
    probes = probes_of("text")
    with pytest.raises(ConfigError, match=r"two scorers give the metric 'words'"):
        list(stream_with(["length"], ["length"], probes, personas))


def stream_with(first: list[str], second: list[str], probes: pa.Table, personas: pa.Table) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        load = plugins.load
        patch.setattr(plugins, "load", lambda kind, name: load(kind, name.removesuffix("-again")))
        names = [*first, *(f"{name}-again" for name in second)]
        yield from stream(completions_of(probes), probes, personas, CONFIG, scorers=names)


def test_a_scorer_that_returns_something_else_is_an_error_with_its_origin(
    personas: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "load", lambda kind, name: lambda batch: batch)
    probes = probes_of("text")
    with pytest.raises(ConfigError, match=r"'length' of evenhand \S+ returned no batch of scores"):
        score(completions_of(probes), probes, personas, CONFIG, scorers=["length"])


def test_the_built_in_scorers_are_those_that_are_registered() -> None:
    own = {name for name in plugins.names("scorers") if plugins.origin("scorers", name).startswith("evenhand ")}
    assert own == set(BUILT_IN)


def test_decisions_are_scored_by_the_hundred_thousand(personas: pa.Table) -> None:
    probes = probes_of(*["decision"] * 2_000)
    completions = completions_of(probes)
    many = pa.concat_tables(
        [completions.set_column(1, "draw", pa.array([draw] * 2_000, pa.int32())) for draw in range(50)]
    )
    many = many.cast(completions.schema)
    start = time.perf_counter()
    scores = score(many, probes, personas, CONFIG)
    # About 2 s on two slow cores; a loop over rows in Python takes several times as long.
    assert time.perf_counter() - start < 20
    assert scores.num_rows == 300_000


def test_a_scored_run_of_the_shipped_suites_is_a_valid_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    personas, probes = audit.probes.expand(CONFIG)
    probes = probes.take(pa.array(range(0, probes.num_rows, max(1, probes.num_rows // 200))))
    scores = check("scores", score(completions_of(probes), probes, personas, CONFIG))
    asked = set(probes["output_form"].to_pylist())
    assert asked <= {"decision", "number", "text"} and scores.num_rows >= 3 * probes.num_rows
