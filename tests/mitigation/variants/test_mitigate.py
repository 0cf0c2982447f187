"""A whole small mitigation: what is in its table, that it goes on where it was stopped, and that nothing vanishes."""

from __future__ import annotations

import json
import math
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from audit import tables
from audit.errors import ConfigError
from audit.manifest import Manifest
from audit.mitigation.frontier import frontier
from audit.mitigation.run import exit_code, mitigate, summary
from tests.mitigation.variants.conftest import WHOLE, SmallShop, StandIn

Rows = Callable[..., list[dict[str, Any]]]
Mitigated = tuple[Path, StandIn]


def the(found: list[dict[str, Any]]) -> dict[str, Any]:
    assert len(found) == 1, found
    return found[0]


def test_every_cell_is_measured_and_stands_in_folders_of_its_own(mitigated: Mitigated) -> None:
    out, train = mitigated
    assert train.trained == ["ft", "dp-e8"] and exit_code(out) == 0
    for cell in ("base", "ft", "dp-e8"):
        assert {path.name for path in (out / cell).iterdir()} >= {"fairness", "privacy"}
    assert Manifest.load(out).data["kind"] == "mitigation"
    assert stat.S_IMODE(out.stat().st_mode) == 0o700


def test_what_was_learnt_by_heart_shows_against_the_base_and_less_of_it_with_dp(rows: Rows) -> None:
    levels = {
        row["cell"]: row["estimate"] for row in rows(metric="auc:loss", versus=None, axis=None, status="measured")
    }
    assert levels["ft"] > 0.95 and levels["base"] < 0.75 and levels["dp-e8"] < 0.75
    for metric in ("auc:loss", "auc:min_k", "exposure"):
        assert the(rows(cell="ft", versus="base", metric=metric))["ci_low"] > 0
        assert the(rows(cell="dp-e8", versus="ft", metric=metric))["ci_high"] < 0


@pytest.mark.parametrize("metric", ["auc:loss", "extraction:greedy", "exposure", "nll", "control_accuracy"])
def test_a_change_is_the_difference_of_the_two_levels(rows: Rows, metric: str) -> None:
    whole = {"metric": metric, "axis": None, "task": "swap" if metric == "control_accuracy" else None}
    whole |= {"category": {"exposure": "inserted", "nll": "held_out", "control_accuracy": None}.get(metric, "member")}
    levels = {row["cell"]: row["estimate"] for row in rows(versus=None, **whole)}
    for cell, versus in (("ft", "base"), ("dp-e8", "base"), ("dp-e8", "ft")):
        change = the(rows(cell=cell, versus=versus, **whole))
        assert change["estimate"] == pytest.approx(levels[cell] - levels[versus], abs=1e-9)


def test_perplexity_is_that_of_the_held_out_records_by_token(mitigated: Mitigated, rows: Rows) -> None:
    folder = mitigated[0] / "ft" / "privacy"
    held_out = {
        row["record_id"] for row in pq.read_table(folder / "records.parquet").to_pylist() if row["role"] == "held_out"
    }
    said = [row for row in pq.read_table(folder / "likelihoods.parquet").to_pylist() if row["passage_id"] in held_out]
    tokens = np.concatenate([row["token_logprobs"] for row in said])
    found = the(rows(cell="ft", metric="perplexity", versus=None))
    assert found["estimate"] == pytest.approx(math.exp(-tokens.astype(float).mean()))
    assert found["ci_low"] < found["estimate"] < found["ci_high"] and found["n"] == len(said)
    greedy = np.concatenate([row["greedy"] for row in said])
    assert the(rows(cell="ft", metric="next_token_accuracy", versus=None))["estimate"] == pytest.approx(greedy.mean())


def test_gaps_have_levels_changes_and_changes_of_size(rows: Rows) -> None:
    place = {"task": "swap", "axis": "gender", "group": "female", "domain": "fairness"}
    levels = {row["cell"]: row["estimate"] for row in rows(metric="log_odds", versus=None, **place)}
    change = the(rows(cell="dp-e8", versus="ft", metric="log_odds", **place))
    assert change["estimate"] == pytest.approx(levels["dp-e8"] - levels["ft"])
    size = the(rows(cell="dp-e8", versus="ft", metric="log_odds:size", **place))
    assert size["estimate"] == pytest.approx(abs(levels["dp-e8"]) - abs(levels["ft"]))


def test_a_prompt_has_gaps_and_decisions_and_no_weights_of_its_own(mitigated: Mitigated, rows: Rows) -> None:
    cell = "prompt-equal-treatment"
    assert {path.name for path in (mitigated[0] / cell).iterdir()} == {"fairness"}
    assert rows(cell=cell, versus="base", metric="log_odds", axis="gender")[0]["estimate"] != 0
    assert the(rows(cell=cell, versus="base", metric="control_accuracy"))["status"] == "measured"
    (nll,) = rows(cell=cell, metric="nll")
    assert nll["status"] == "unmeasured" and "changes no weights" in nll["reason"]
    assert not rows(cell=cell, domain="privacy")


def test_what_was_spent_stands_beside_what_was_measured(rows: Rows) -> None:
    spent = {row["metric"]: row["estimate"] for row in rows(domain="budget")}
    assert spent == {"epsilon": 8.0, "delta": 1e-4, "noise_multiplier": 0.8}
    bound = the(rows(cell="dp-e8", metric="epsilon_lower_bound", axis=None))
    assert bound["domain"] == "privacy" and bound["epsilon"] == 8.0 and bound["estimate"] is not None


def test_the_base_is_asked_once_for_all_cells(mitigated: Mitigated) -> None:
    out, _ = mitigated
    for name, lent in (("likelihoods", "likelihoods-base"), ("completions", "completions-base")):
        own = (out / "base" / "privacy" / f"{name}.parquet").read_bytes()
        for cell in ("ft", "dp-e8"):
            assert (out / cell / "privacy" / f"{lent}.parquet").read_bytes() == own
            assert Manifest.load(out / cell / "privacy").data["stages"][lent]["seconds"] == 0


def test_the_base_is_asked_again_where_it_would_be_asked_something_else(
    small_shop: SmallShop, mitigated: Mitigated, tmp_path: Path
) -> None:
    from audit.mitigation.lending import lend
    from audit.mitigation.variants import plan, privacy_config
    from audit.privacy.run import audit_privacy, start

    config = small_shop.config(variants=("ft",)).changed("privacy", max_tokens=64)
    asked = privacy_config(config, plan(config)[0], str(mitigated[0] / "ft" / "model"))
    start(asked, tmp_path / "run")
    assert lend(mitigated[0] / "base" / "privacy", tmp_path / "run")
    audit_privacy(asked, tmp_path / "run")
    made = tables.read("likelihoods", tmp_path / "run" / "likelihoods-base.parquet")
    assert max(made["n_tokens"].to_pylist()) < 64


def test_a_finished_mitigation_is_not_done_again(small_shop: SmallShop, mitigated: Mitigated) -> None:
    out, _ = mitigated

    def written() -> dict[Path, int]:
        """When each table was written; personas and probes are expanded anew each time."""
        found = (path for path in out.rglob("*.parquet") if path.name not in ("personas.parquet", "probes.parquet"))
        return {path: path.stat().st_mtime_ns for path in found}

    before = written()
    again = StandIn()
    mitigate(small_shop.config(**WHOLE), out, train=again)
    assert not again.trained
    assert written() == before


def test_other_settings_in_the_same_folder_are_refused(small_shop: SmallShop, mitigated: Mitigated) -> None:
    config = small_shop.config(**WHOLE).changed("finetune", epochs=7)
    with pytest.raises(ConfigError, match=r"other settings \(finetune\).*--fresh"):
        mitigate(config, mitigated[0])


def test_a_cell_that_is_none_is_refused(small_shop: SmallShop, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--only dp-e9: there is no such cell; there are base, ft"):
        mitigate(small_shop.config(), tmp_path / "out", only=["dp-e9"])
    assert not (tmp_path / "out").exists()


def test_a_missing_file_is_found_before_anything_is_trained(small_shop: SmallShop, tmp_path: Path) -> None:
    config = small_shop.config().changed("privacy", ledger=tmp_path / "none.json")
    with pytest.raises(ConfigError, match=r"none\.json"):
        mitigate(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_that_cannot_be_trained_is_refused(small_shop: SmallShop, tmp_path: Path) -> None:
    config = small_shop.config().changed("model", name="planted:null")
    with pytest.raises(ConfigError, match="cannot be trained"):
        mitigate(config, tmp_path / "out")


@pytest.fixture
def copied(mitigated: Mitigated, tmp_path: Path) -> Path:
    """The finished mitigation, to be broken. Only the table is made of it: its runs name models by path."""
    return Path(shutil.copytree(mitigated[0], tmp_path / "copied"))


def test_a_cell_that_fails_is_named_and_the_next_one_goes_on(small_shop: SmallShop, tmp_path: Path) -> None:
    config = small_shop.config(variants=("ft", "dp"), fairness=False).changed("privacy", generations=0)
    train, out = StandIn(broken={"ft"}, epochs=1), tmp_path / "out"
    mitigate(config, out, train=train)
    assert exit_code(out) == 3 and train.trained == ["dp-e8"]
    found = tables.read("frontier", out / "frontier.parquet").to_pylist()
    ft = [row for row in found if row["cell"] == "ft"]
    assert {row["domain"] for row in ft if row["versus"] is None and row["status"] == "unfinished"} >= {
        "privacy",
        "utility",
    }
    broken = [row for row in found if row["cell"] == "dp-e8" and row["versus"] == "ft" and row["domain"] == "privacy"]
    assert [row["status"] for row in broken] == ["unfinished"] and "ft" in broken[0]["reason"]
    assert "ft: trained: the machine has no memory left" in summary(out)
    train.broken.clear()
    mitigate(config, out, train=train)
    assert exit_code(out) == 0 and train.trained == ["dp-e8", "ft"]
    found = tables.read("frontier", out / "frontier.parquet").to_pylist()
    assert any(row["cell"] == "dp-e8" and row["versus"] == "ft" and row["metric"] == "auc:loss" for row in found)


def test_what_a_killed_run_leaves_is_unfinished_with_the_reason(copied: Path) -> None:
    manifest = Manifest.load(copied)
    manifest.data["cells"][2]["stages"]["fairness"] = {"status": "unfinished", "reason": "was stopped before it ended"}
    manifest.save()
    found = [row for row in frontier(copied).to_pylist() if row["cell"] == "dp-e8" and row["domain"] == "fairness"]
    assert {(row["versus"], row["status"]) for row in found} == {(name, "unfinished") for name in (None, "base", "ft")}
    assert exit_code(copied) == 3


def test_a_stopped_training_goes_on_when_asked_again(small_shop: SmallShop, tmp_path: Path) -> None:
    config = small_shop.config(variants=("base", "dp"), fairness=False, privacy=False)
    train, out = StandIn(), tmp_path / "out"

    def stopped(*given: Any, **options: Any) -> Path:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mitigate(config, out, train=stopped)
    (row,) = (row for row in frontier(out).to_pylist() if row["domain"] == "budget")
    assert row["status"] == "unfinished" and "was stopped before it ended" in row["reason"]
    assert "dp-e8: trained: was stopped" in summary(out)
    mitigate(config, out, train=train)
    assert train.trained == ["dp-e8"] and exit_code(out) == 0


def test_cells_that_wait_for_their_turn_are_rows_and_no_failure(
    small_shop: SmallShop, stand_in: StandIn, tmp_path: Path
) -> None:
    config = small_shop.config(variants=("base", "dp"), privacy=False, fairness=False)
    out = mitigate(config, tmp_path / "out", only=["base"], train=stand_in)
    found = tables.read("frontier", out / "frontier.parquet").to_pylist()
    dp = {
        row["domain"]: (row["status"], row["reason"]) for row in found if row["cell"] == "dp-e8" and not row["versus"]
    }
    assert dp["budget"] == dp["utility"] == ("unfinished", "has not been done yet")
    assert dp["privacy"] == ("unmeasured", "was not asked for")
    assert exit_code(out) == 0 and not stand_in.trained
    assert summary(out).splitlines()[1].split() == ["base", "-", "-", "-", "done"]
    assert summary(out).splitlines()[2].split() == ["dp-e8", "waiting", "-", "-", "waiting"]


def test_held_out_records_are_read_for_utility_alone_where_privacy_is_off(
    small_shop: SmallShop, mitigated: Mitigated, rows: Rows, tmp_path: Path
) -> None:
    config = small_shop.config(variants=("base",), privacy=False, fairness=False)
    out = mitigate(config, tmp_path / "out")
    found = tables.read("frontier", out / "frontier.parquet").to_pylist()
    alone = the([row for row in found if row["metric"] == "perplexity"])
    audited = the(rows(cell="base", metric="perplexity", versus=None))
    assert alone["estimate"] == pytest.approx(audited["estimate"]) and alone["n"] == audited["n"]


def test_epsilons_can_be_added_and_earlier_cells_stay(small_shop: SmallShop, tmp_path: Path) -> None:
    off = {"privacy": False, "fairness": False}
    out, train = tmp_path / "out", StandIn()
    mitigate(small_shop.config(variants=("base", "dp"), epsilons=(8.0,), **off), out, train=train)
    mitigate(small_shop.config(variants=("base", "dp"), epsilons=(1.0,), **off), out, train=train)
    assert train.trained == ["dp-e8", "dp-e1"]
    cells = [entry["cell"] for entry in json.loads((out / "manifest.json").read_text())["cells"]]
    assert cells == ["base", "dp-e1", "dp-e8"]
    found = tables.read("frontier", out / "frontier.parquet").to_pylist()
    assert {row["cell"] for row in found if row["metric"] == "nll"} == set(cells)


def test_only_with_fresh_begins_that_cell_anew_and_leaves_the_others(small_shop: SmallShop, tmp_path: Path) -> None:
    config = small_shop.config(variants=("base", "dp"), epsilons=(8.0, 1.0), privacy=False, fairness=False)
    out, train = tmp_path / "out", StandIn()
    mitigate(config, out, train=train)
    mitigate(config, out, train=train, only=["dp-e1"], fresh=True)
    assert train.trained == ["dp-e8", "dp-e1", "dp-e1"] and exit_code(out) == 0
    assert "waiting" not in summary(out)
