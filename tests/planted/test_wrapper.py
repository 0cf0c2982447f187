from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.backends import open_backend
from audit.config import Config, load_config
from audit.planted.wrapper import added, shifted
from audit.probes import expand
from tests import tiny

SPEC = "planted:delta=0.3,shift=2.5,axis=age,group=older"


@pytest.fixture(scope="module")
def answers(gpt2_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Probes and personas of the small audit, and what the tiny model says alone and wrapped."""
    folder = tmp_path_factory.mktemp("audit")
    found: dict[str, Any] = {}
    for kind, name in (("alone", str(gpt2_folder)), ("wrapped", f"{SPEC}@{gpt2_folder}")):
        config = load_config(tiny.write_audit(folder, Path(name))).changed("run", manipulation=False)
        personas, probes = expand(config)
        backend = open_backend(config)
        whole = pa.concat_tables([backend.complete(probes, batch) for batch in backend.plan(probes)])
        found |= {kind: {row["probe_id"]: row for row in whole.to_pylist()}, f"{kind} facts": backend.describe()}
        found |= {"probes": probes.to_pylist(), "config": config, "identity": backend.identity()}
        found["older"] = {
            row["persona_id"] for row in personas.to_pylist() if dict(row["attributes"]).get("age") == "older"
        }
    return found


def pairs(answers: dict[str, Any], form: str) -> Iterator[tuple[bool, dict[str, Any], dict[str, Any]]]:
    """(affected, alone, wrapped) for each probe of a form."""
    for probe in answers["probes"]:
        if probe["output_form"] == form:
            touched = (
                probe["arm"] == "target" and probe["purpose"] == "audit" and probe["persona_id"] in answers["older"]
            )
            yield touched, answers["alone"][probe["probe_id"]], answers["wrapped"][probe["probe_id"]]


def log_odds(row: dict[str, Any]) -> float:
    first, *rest = row["option_logprobs"]
    return first - math.log(math.fsum(map(math.exp, rest)))


def test_delta_is_added_to_the_log_odds_of_the_affected_and_of_nobody_else(answers: dict[str, Any]) -> None:
    seen = {True: 0, False: 0}
    for touched, alone, wrapped in pairs(answers, "decision"):
        assert log_odds(wrapped) - log_odds(alone) == pytest.approx(0.3 if touched else 0.0, abs=1e-12)
        seen[touched] += 1
    assert min(seen.values()) > 3


def test_the_answer_mass_stays_as_it_was(answers: dict[str, Any]) -> None:
    for touched, alone, wrapped in pairs(answers, "decision"):
        masses = [math.fsum(map(math.exp, row["option_logprobs"])) for row in (alone, wrapped)]
        assert masses[1] == pytest.approx(masses[0], rel=1e-12)
        assert wrapped["answer_mass"] == alone["answer_mass"]
        if touched:
            assert math.fsum(wrapped["probs"]) == pytest.approx(1.0, abs=1e-12)
        else:
            assert wrapped == alone


def test_the_expectation_of_a_number_is_shifted_exactly(answers: dict[str, Any]) -> None:
    for touched, alone, wrapped in pairs(answers, "number"):
        before, after = (np.dot(row["probs"], np.array(row["support"], float)) for row in (alone, wrapped))
        assert after - before == pytest.approx(2.5 if touched else 0.0, abs=1e-10)
        assert touched or wrapped == alone


def test_texts_are_left_alone(answers: dict[str, Any]) -> None:
    texts = list(pairs(answers, "text"))
    assert texts
    assert all(wrapped == alone for _, alone, wrapped in texts)


def test_the_manifest_tells_both_the_model_and_what_was_added(answers: dict[str, Any]) -> None:
    alone, wrapped = answers["alone facts"], answers["wrapped facts"]
    assert wrapped["weights_sha256"] == alone["weights_sha256"]
    assert wrapped["name"].startswith(SPEC)
    assert "texts are the model's own" in wrapped["planted"]["held"]
    config: Config = answers["config"]
    other = config.changed("model", name=config.model.name.replace("0.3", "0.4"))
    assert open_backend(other).identity() != answers["identity"]


@given(
    logs=st.lists(st.floats(-30, 0), min_size=2, max_size=5),
    delta=st.floats(-5, 5),
    first=st.integers(0, 1),
)
def test_delta_is_exact_for_any_options(logs: list[float], delta: float, first: int) -> None:
    moved = added(logs, first, delta)
    for place in range(len(logs)):
        change = (moved[first] - moved[place]) - (logs[first] - logs[place])
        assert change == pytest.approx(0.0 if place == first else delta, abs=1e-10)
    assert math.fsum(map(math.exp, moved)) == pytest.approx(math.fsum(map(math.exp, logs)), rel=1e-12)


def test_an_option_without_mass_gets_none() -> None:
    never = -math.inf
    assert added([never, never], 0, 1.0) == [never, never]
    assert added([never, -1.0], 0, 1.0) == [never, -1.0]


@given(
    weights=st.lists(st.floats(0.01, 1), min_size=2, max_size=6),
    shift=st.floats(-40, 40),
)
def test_a_shift_is_exact_until_the_end_of_the_range(weights: list[float], shift: float) -> None:
    support = [str(5 * place) for place in range(len(weights))]
    total = math.fsum(weights)
    probs = [weight / total for weight in weights]
    moved = shifted(support, probs, shift, 0, 30)
    before = sum(p * float(x) for p, x in zip(probs, support, strict=True))
    after = sum(p * float(x) for p, x in zip(moved["probs"], moved["support"], strict=True))
    assert after == pytest.approx(min(max(before + shift, 0.0), 30.0), abs=1e-9)
    assert min(moved["probs"]) >= 0
    assert math.fsum(moved["probs"]) == pytest.approx(1.0)
