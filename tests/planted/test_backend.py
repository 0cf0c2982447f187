from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from audit import pipeline, tables
from audit.backends import open_backend
from audit.config import Config, load_config
from audit.errors import BackendError, ConfigError
from audit.planted import backend as planted
from audit.probes import expand
from audit.scorers.refusal import is_refusal
from tests import tiny

SILENT = "tau=0,nu=0,nu_b=0,sigma=0"


@pytest.fixture
def config_of(tmp_path: Path) -> Callable[..., Config]:
    """The small audit of a planted model, with changes to [run]."""

    def build(spec: str, **run: Any) -> Config:
        return load_config(tiny.write_audit(tmp_path, Path(f"planted:{spec}"))).changed("run", sample=0, **run)

    return build


def answered(config: Config) -> tuple[pa.Table, pa.Table]:
    """Probes, and all completions in their order."""
    _, probes = expand(config)
    backend = open_backend(config)
    whole = pa.concat_tables([backend.complete(probes, batch) for batch in backend.plan(probes)])
    place = pc.index_in(whole["probe_id"], value_set=probes["probe_id"].combine_chunks())
    order = pc.sort_indices(pa.table({"p": place, "d": whole["draw"]}), [("p", "ascending"), ("d", "ascending")])
    return probes, tables.check("completions", whole.take(order))


def gaps(config: Config, folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Contrasts of the target arm, by metric and axis."""
    run, _ = pipeline.run_audit(config, folder)
    rows = tables.read("findings", run / "findings.parquet").to_pylist()
    return {
        (row["metric"], row["axis"]): row
        for row in rows
        if row["statistic"] == "contrast" and row["arm"] == "target" and row["category"] is None
    }


def test_a_planted_effect_is_found_to_the_last_digit_where_nothing_else_moves(
    config_of: Callable[..., Config], tmp_path: Path
) -> None:
    found = gaps(config_of(f"effect=0.5,axis=gender,group=female,{SILENT}"), tmp_path / "out")
    assert found["log_odds", "gender"]["estimate"] == pytest.approx(0.5, abs=1e-12)
    assert found["expected_number", "gender"]["estimate"] == pytest.approx(0.5 * 50 / 10, abs=1e-12)
    assert found["log_odds", "age"]["estimate"] == pytest.approx(0.0, abs=1e-12)
    assert found["expected_number", "age"]["estimate"] == pytest.approx(0.0, abs=1e-12)


def test_an_effect_on_an_explicit_cue_stays_off_the_names(config_of: Callable[..., Config], tmp_path: Path) -> None:
    found = gaps(config_of(f"effect=-0.4,axis=age,unit=1,{SILENT}"), tmp_path / "out")
    assert found["log_odds", "age"]["estimate"] == pytest.approx(-0.4, abs=1e-12)
    assert found["expected_number", "age"]["estimate"] == pytest.approx(-0.4, abs=1e-12)
    assert found["log_odds", "gender"]["estimate"] == pytest.approx(0.0, abs=1e-12)


def test_arms_without_a_customer_are_answered_without_the_effect(config_of: Callable[..., Config]) -> None:
    probes, completions = answered(config_of(f"effect=1,axis=gender,group=female,{SILENT},control=2", tasks=["swap"]))
    assert set(probes["arm"].to_pylist()) >= {"target", "no_cue", "placebo", "positive_control"}
    by_block: dict[tuple[str, str], list[float]] = {}
    for probe, row in zip(probes.to_pylist(), completions.to_pylist(), strict=True):
        if probe["purpose"] == "audit" and probe["arm"] in ("no_cue", "placebo", "irrelevant"):
            first, other = row["option_logprobs"]
            by_block.setdefault((probe["block_id"], "x"), []).append(first - other)
    assert len(by_block) == 3
    assert all(np.ptp(values) < 1e-12 and len(values) > 2 for values in by_block.values())
    assert len({round(values[0], 6) for values in by_block.values()}) == 3, "blocks differ"


@pytest.mark.parametrize("control", [2.0, -1.0, 0.0])
def test_facts_move_the_answer_as_far_as_told(control: float, config_of: Callable[..., Config]) -> None:
    probes, completions = answered(config_of(f"null,{SILENT},control={control}", tasks=["swap"]))
    poles: dict[str, list[float]] = {}
    for probe, row in zip(probes.to_pylist(), completions.to_pylist(), strict=True):
        if probe["arm"] == "positive_control":
            first, other = row["option_logprobs"]
            poles.setdefault(probe["gold"], []).append(first - other)
    found = np.mean(poles["favourable"]) - np.mean(poles["unfavourable"])
    assert found == pytest.approx(control, rel=0.3, abs=1e-12)


def test_the_answer_mass_is_as_told(config_of: Callable[..., Config]) -> None:
    _, completions = answered(config_of("null,mass=0.25", tasks=["swap", "rebate"]))
    assert set(completions["answer_mass"].to_pylist()) == {0.25}
    for row in completions.to_pylist():
        assert sum(row["probs"]) == pytest.approx(1.0)
        if row["option_logprobs"]:
            assert np.exp(row["option_logprobs"]).sum() == pytest.approx(0.25)


@pytest.mark.parametrize("recognition", [0.9, 0.5])
def test_a_group_is_recognised_as_often_as_told(recognition: float, config_of: Callable[..., Config]) -> None:
    probes, completions = answered(config_of(f"null,recognition={recognition}", tasks=["swap"]))
    shares = [
        row["probs"][row["support"].index(probe["gold"])]
        for probe, row in zip(probes.to_pylist(), completions.to_pylist(), strict=True)
        if probe["purpose"] == "manipulation"
    ]
    assert len(shares) > 3
    assert np.mean(shares) == pytest.approx(recognition, abs=0.1)


def test_texts_decline_where_planted(config_of: Callable[..., Config]) -> None:
    config = config_of(f"refusal_gap=1,axis=gender,group=female,{SILENT}", tasks=["thanks"], draws=3)
    personas, _ = expand(config)
    group = dict(zip(personas["persona_id"].to_pylist(), map(dict, personas["attributes"].to_pylist()), strict=True))
    probes, completions = answered(config)
    about = {row["probe_id"]: row for row in probes.to_pylist()}
    texts = [(about[row["probe_id"]], row["text"]) for row in completions.to_pylist() if row["text"]]
    assert len(texts) == 3 * sum(row["output_form"] == "text" for row in about.values())
    for probe, text in texts:
        touched = probe["arm"] == "target" and group[probe["persona_id"]].get("gender") == "female"
        assert is_refusal(text) is touched


def test_a_trap_speaks_of_the_customer(config_of: Callable[..., Config]) -> None:
    probes, completions = answered(config_of("null,traps=1", tasks=["thanks"]))
    texts = {row["probe_id"]: row["text"] for row in completions.to_pylist()}
    named = [row for row in probes.to_pylist() if row["output_form"] == "text" and "Megan" in str(row["messages"])]
    assert named
    assert all("Megan" in texts[row["probe_id"]] for row in named)


def test_a_group_whose_answers_fail_shows_as_a_rate(config_of: Callable[..., Config], tmp_path: Path) -> None:
    found = gaps(config_of(f"failures_gap=1,axis=gender,{SILENT}", tasks=["swap"]), tmp_path / "out")
    assert found["rate_invalid", "gender"]["estimate"] == 1.0
    assert ("log_odds", "gender") not in found or found["log_odds", "gender"]["se"] is None


def test_answers_other_than_the_first_move_apart_from_it(config_of: Callable[..., Config], tmp_path: Path) -> None:
    config = config_of(f"personalisation,axis=gender,group=female,block_sd=0,template_sd=0,{SILENT}", tasks=["swap"])
    suite = tmp_path / "suites" / "swap.toml"
    text = suite.read_text(encoding="utf-8")
    suite.write_text(text.replace('" No, sorry"] }', '] }, { id = "else", forms = [" Else"] }'), encoding="utf-8")
    _, completions = answered(config)
    shares = {tuple(np.round(row["probs"], 9)) for row in completions.to_pylist() if len(row["support"]) == 3}
    firsts = {share[0] for share in shares if share[0] == 0.8}
    ratios = {round(float(np.log(share[1] / share[2])), 6) for share in shares}
    assert firsts == {0.8}
    assert ratios == {0.0, 1.0}


def test_every_batch_answers_alone_as_among_the_others(
    config_of: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of("scorer-trap,axis=gender,nu=0.3", draws=2)
    _, whole = answered(config)
    monkeypatch.setattr(planted, "SIZE", 5)
    _, probes = expand(config)
    for batch in reversed(open_backend(config).plan(probes)):
        alone = open_backend(config).complete(probes, batch)
        ids = probes["probe_id"].take(pa.array(batch.rows))
        same = whole.filter(pc.is_in(whole["probe_id"], ids))
        chosen = {(row["probe_id"], row["draw"]): row for row in same.to_pylist()}
        assert alone.to_pylist() == [chosen[row["probe_id"], row["draw"]] for row in alone.to_pylist()]


def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    config_of: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of("effect=0.3,axis=gender,failures=0.1")
    monkeypatch.setattr(planted, "SIZE", 9)
    pipeline.complete(pipeline.start(config, tmp_path / "whole"))
    original, left = planted.PlantedBackend.complete, [4]

    def failing(backend: planted.PlantedBackend, *args: Any) -> pa.Table:
        if not left[0]:
            raise BackendError("stopped")
        left[0] -= 1
        return original(backend, *args)

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(planted.PlantedBackend, "complete", failing)
        with pytest.raises(BackendError):
            pipeline.complete(pipeline.start(config, out))
    assert len(list(out.glob("completions.parts-*/*.parquet"))) == 4
    pipeline.complete(pipeline.start(config, out))
    assert (out / "completions.parquet").read_bytes() == (tmp_path / "whole" / "completions.parquet").read_bytes()


def test_another_seed_or_another_effect_is_another_run(config_of: Callable[..., Config], tmp_path: Path) -> None:
    config = config_of("null")
    pipeline.start(config, tmp_path / "out")
    with pytest.raises(ConfigError, match="holds a run with other settings"):
        pipeline.start(config_of("effect=0.1"), tmp_path / "out")
    first, second = (answered(config.changed("run", seed=seed))[1]["option_logprobs"] for seed in (0, 1))
    assert not first.equals(second)
    assert open_backend(config).identity() != open_backend(config_of("effect=0.1")).identity()


def test_a_large_effect_fails_its_rule_and_no_effect_passes_it(
    config_of: Callable[..., Config], tmp_path: Path
) -> None:
    quiet = "tau=0.01,nu=0.01,nu_b=0.01,sigma=0.02"
    outcomes = {}
    for name, spec in (("planted", f"effect=0.6,axis=gender,group=female,{quiet}"), ("null", f"null,{quiet}")):
        folder, _ = pipeline.run_audit(config_of(spec, tasks=["swap"]), tmp_path / name)
        rows = tables.read("verdicts", folder / "verdicts.parquet").to_pylist()
        outcomes[name] = {row["rule"]: row["outcome"] for row in rows}["swap-gender"]
    assert outcomes == {"planted": "fail", "null": "pass"}
