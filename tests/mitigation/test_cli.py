"""The verbs that mend, as a person gives them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from audit.cli import main
from tests.mitigation.conftest import Tiny


def evenhand(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def train(tiny: Tiny, *words: str) -> Result:
    named = ("--model", str(tiny.base), "--train", str(tiny.records), "--layout", "generated", "--public-size", "60")
    return evenhand("finetune", *named, "--noise-multiplier", "1", "--batch-size", "20", "--epochs", "0.5", *words)


def test_a_training_says_its_promise_and_where_the_model_lies(tiny: Tiny, tmp_path: Path) -> None:
    done = train(tiny, "--out", str(tmp_path / "tuned"), "--quiet")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"model   {tmp_path / 'tuned' / 'model'}\n"
    assert done.stderr.startswith("evenhand: (ε, δ) = (")
    exported = evenhand("mitigate", "export", str(tmp_path / "tuned" / "model"), "--out", str(tmp_path / "whole"))
    assert exported.exit_code == 0, exported.stderr
    assert (tmp_path / "whole" / "model.safetensors").is_file()


def test_a_plan_is_data_and_trains_nothing(tiny: Tiny, tmp_path: Path) -> None:
    done = train(tiny, "--plan", "--json", "--quiet")
    assert done.exit_code == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["noise_multiplier"] == 1 and plan["sampling"]["steps"] == 2
    assert plan["over"][-1] == {"step": 2, "epsilon": plan["epsilon"]}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--json",), "--json: prints a plan as data"),
        (("--no-privacy",), "--no-privacy: promises nothing, so --epsilon and --noise-multiplier have no meaning"),
        (("--delta", "small"), "--delta: 'small' is no number"),
        (("--augment", "shoe", "--plan"), "unknown axis 'shoe'"),
        ((), "--out: says nowhere where the model goes"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(tiny: Tiny, words: tuple[str, ...], complaint: str) -> None:
    done = train(tiny, *words)
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) <= 2  # the time that the model took, and what is wrong
    assert complaint in done.stderr


def test_a_prompt_that_is_unknown_is_found_before_anything_is_asked(tiny: Tiny, tmp_path: Path) -> None:
    out = tmp_path / "variants"
    done = evenhand("mitigate", "variants", "--model", str(tiny.base), "--prompt", "nosuch", "--out", str(out))
    assert done.exit_code == 2
    assert "nosuch" in done.stderr and not out.exists()
