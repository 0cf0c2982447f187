"""The verbs of the privacy audit, as a person types them."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from audit.cli import main
from tests.privacy.conftest import Shop

Typed = Callable[..., Result]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


def test_records_are_made_and_planted(typed: Typed, tmp_path: Path) -> None:
    assert typed("privacy", "generate", "records.jsonl", "--count", 40, "--locale", "zh").exit_code == 0
    planted = typed("privacy", "plant", "records.jsonl", "--out", "train.jsonl", "--locale", "zh", "--canaries", 20)
    assert planted.exit_code == 0, planted.output
    assert "train.jsonl" in planted.stdout and "train-held-out.jsonl" in planted.stdout
    assert "note: " in planted.stderr and "keep it from whoever trains" in planted.stderr
    ledger = tmp_path / "train-ledger.json"
    assert stat.S_IMODE(ledger.stat().st_mode) == 0o600
    secrets = [canary["secret"] for canary in json.loads(ledger.read_text(encoding="utf-8"))["canaries"]]
    assert len(secrets) == 20 and not any(secret in planted.output for secret in secrets)


def test_a_file_that_is_there_is_left_alone(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text("mine", encoding="utf-8")
    found = typed("privacy", "generate", "records.jsonl")
    assert found.exit_code == 2 and "records.jsonl: is there already" in found.stderr
    assert (tmp_path / "records.jsonl").read_text(encoding="utf-8") == "mine"


def test_a_person_can_bring_sentences_of_their_own(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("Works like a charm in my kitchen.\t1\nBroke on day one.\t0\n", encoding="utf-8")
    assert typed("privacy", "generate", "records.jsonl", "--count", 12, "--texts", "own.txt").exit_code == 0
    texts = (tmp_path / "records.jsonl").read_text(encoding="utf-8")
    assert "Works like a charm in my kitchen." in texts
    missing = typed("privacy", "generate", "more.jsonl", "--texts", "nowhere.txt")
    assert missing.exit_code == 2 and "nowhere.txt: there is no such file" in missing.stderr


def test_an_audit_gates_reports_and_is_judged_again(typed: Typed, shop: Shop) -> None:
    words = ["--model", shop.trained, "--ledger", shop.ledger, "--generations", 0, "--out", "run", "--quiet"]
    audited = typed("privacy", "audit", *words, "--gate")
    assert audited.exit_code == 1, audited.output
    assert "evidence of a leak beyond the limit" in audited.stderr
    assert Path("run/report.html").is_file() and Path("run/summary.md").is_file()
    assert typed("gate", "run").exit_code == 1
    assert typed("measure", "run").exit_code == 0
    assert typed("report", "run", "--reveal").exit_code == 0
    scored = typed("score", "run")
    assert scored.exit_code == 2 and "is a privacy audit, which has no scores" in scored.stderr


def test_a_rule_of_ones_own_is_checked_before_anything_is_asked(typed: Typed, shop: Shop, tmp_path: Path) -> None:
    config = tmp_path / "evenhand.toml"
    config.write_text('[[gate.privacy]]\nname = "x"\nmetric = "exposur"\nmaximum = 1\n', encoding="utf-8")
    found = typed("privacy", "audit", "--model", shop.trained, "--ledger", shop.ledger, "--out", "run")
    assert found.exit_code == 2 and "did you mean 'exposure'" in found.stderr and not Path("run").exists()
    config.write_text('[[gate.privacy]]\nname = "x"\nmetric = "exposure"\n', encoding="utf-8")
    found = typed("privacy", "audit", "--model", shop.trained, "--ledger", shop.ledger, "--out", "run")
    assert found.exit_code == 2 and "add maximum" in found.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--ledger", "nowhere.json"], "nowhere.json: there is no such ledger"),
        (["--members", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--layout", "yelb", "--members", "m.jsonl"], "did you mean 'yelp'"),
        (["--model", "hff:x/y"], "model 'hff:x/y': unknown"),
    ],
)
def test_what_is_wrong_is_one_line(typed: Typed, shop: Shop, words: list[str], said: str) -> None:
    Path("m.jsonl").write_text('{"text": "one"}\n', encoding="utf-8")
    model = [] if "--model" in words else ["--model", shop.trained]
    found = typed(
        "privacy", "audit", *model, *words, "--generations", 0 if "--model" not in words else 5, "--out", "run"
    )
    assert found.exit_code == 2 and said in found.stderr
    assert found.stderr.strip().count("\n") == 0 and not Path("run").exists()
