from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from audit import pipeline
from audit.backends import open_backend, prompts
from audit.config import Config, load_config, parse
from audit.errors import ConfigError
from audit.manifest import Manifest
from audit.mitigation.prompts import load_prompt, shipped_prompts, short_name
from audit.mitigation.prompts.prompts import FOLDER
from audit.probes import expand
from tests import tiny

SYSTEM = {"role": "system", "content": "You mind the till."}
USER = {"role": "user", "content": "May I return it?"}
BEGUN = {"role": "assistant", "content": "Answer:"}
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}" + tiny.CHATML


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def config_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Config]:
    folder = tmp_path_factory.mktemp("audit")

    def build(model: Path, run: Mapping[str, Any] = {}, **settings: Any) -> Config:
        config = load_config(tiny.write_audit(folder, model))
        return config.changed("model", **settings).changed("run", **run)

    return build


@pytest.mark.parametrize("locale", sorted(path.stem for path in FOLDER.glob("*.toml")))
def test_every_shipped_prompt_is_one_paragraph_that_says_what_it_tries(locale: str) -> None:
    found = shipped_prompts(locale)
    assert len({prompt.name for prompt in found}) == len(found) >= 4
    for prompt in found:
        assert prompt.tries.endswith((".", "。"))
        assert prompt.text == prompt.text.strip()
        assert "\n" not in prompt.text
        assert load_prompt(prompt.name, locale) == prompt.text


def test_both_locales_have_the_same_prompts_in_their_own_words() -> None:
    english, chinese = shipped_prompts("en"), shipped_prompts("zh")
    assert [prompt.name for prompt in english] == [prompt.name for prompt in chinese]
    assert all(prompt.text.isascii() for prompt in english)
    assert not any(letter.isascii() and letter.isalpha() for prompt in chinese for letter in prompt.text)


def test_an_unknown_prompt_is_told_with_the_known_ones() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown prompt 'nice'; known are equal-treatment, .*swap-check, or the path"
    ):
        load_prompt("nice", "en")
    with pytest.raises(ConfigError, match="none are shipped for 'xx'"):
        load_prompt("equal-treatment", "xx")


def test_a_prompt_of_ones_own_is_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "our own.txt"
    path.write_text("\ufeffBe even-handed.\n", encoding="utf-8")
    assert load_prompt(str(path), "xx") == "Be even-handed."
    assert short_name(str(path)) == "our-own"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "no such file"), (b"", "is empty"), (b"  \n", "is empty"), (b"\xff\xfe\xff", "UTF-8")],
)
def test_a_file_that_is_no_prompt_is_one_clear_line(content: bytes | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "prompt.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"model.prompt: .*prompt.txt.*{reason}"):
        load_prompt(str(path), "en")


def test_a_folder_is_no_prompt(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_prompt(str(tmp_path), "en")


def test_the_prompt_stands_before_what_the_system_message_says() -> None:
    words = tiny.tokenizer(chat_template=tiny.CHATML)
    text = prompts.render(words, prompts.with_system([SYSTEM, USER, BEGUN], "Be even."))
    assert text.startswith("<|turn|>system\nBe even.\n\nYou mind the till.<|end|>\n<|turn|>user\nMay I")


def test_a_probe_without_a_system_message_gets_one() -> None:
    words = tiny.tokenizer(chat_template=tiny.CHATML)
    text = prompts.render(words, prompts.with_system([USER, BEGUN], "Be even."))
    assert text.startswith("<|turn|>system\nBe even.<|end|>\n<|turn|>user\nMay I return it?")
    assert prompts.with_system([USER], None) == [USER]


def test_a_template_without_system_messages_gets_it_in_the_users() -> None:
    words = tiny.tokenizer(chat_template=NO_SYSTEM)
    text = prompts.render(words, prompts.with_system([USER, BEGUN], "Be even."))
    assert text.startswith("<|turn|>user\nBe even.\n\nMay I return it?<|end|>")


def test_without_a_template_the_prompt_is_the_first_paragraph() -> None:
    messages = prompts.with_system([SYSTEM, USER, BEGUN], "Be even.")
    assert prompts.render(tiny.tokenizer(), messages).startswith("Be even.\n\nYou mind the till.\n\nMay I")


@pytest.mark.parametrize("folder", ["gpt2_folder", "llama_folder"])
def test_decisions_are_read_exactly_behind_the_prompt(
    folder: str, config_of: Callable[..., Config], request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(folder)
    config = config_of(model, {"tasks": ["swap"], "manipulation": False}, prompt="equal-treatment")
    _, probes = expand(config)
    backend = open_backend(config)
    batch = backend.plan(probes)[0]
    told = backend.complete(probes, batch)
    told = told.filter(pa.compute.equal(told["finish_reason"], "exact"))
    row = told.slice(0, 1).to_pylist()[0]
    asked = probes.filter(pa.compute.equal(probes["probe_id"], row["probe_id"])).to_pylist()[0]
    text = load_prompt("equal-treatment", "en")
    written = prompts.render(backend.tokenizer, prompts.with_system(asked["messages"], text))
    assert text in written
    sequence = prompts.encode(backend.tokenizer, [written])[0]
    assert row["prompt_tokens"] == len(sequence)
    for option, found in zip(asked["options"], row["option_logprobs"], strict=True):
        ways = [backend.forms.after(written, form) for form in option["forms"]]
        assert found == pytest.approx(by_one_pass_a_token(backend.exact_model, sequence, set(ways)), abs=1e-4)


def by_one_pass_a_token(model: Any, sequence: list[int], ways: set[tuple[int, ...]]) -> float:
    """log of the summed probability of token sequences behind ``sequence``; a longer one counts once."""
    shortest = [way for way in ways if not any(other != way and way[: len(other)] == other for other in ways)]
    total = 0.0
    for way in shortest:
        log = sum(tiny.log_probabilities(model, [*sequence, *way[:place]])[token] for place, token in enumerate(way))
        total += float(np.exp(log))
    return float(np.log(total))


def test_a_run_with_a_prompt_asks_the_same_probes_and_is_another_run(
    gpt2_folder: Path, config_of: Callable[..., Config], tmp_path: Path
) -> None:
    small = {"tasks": ["swap"], "manipulation": False}
    plain, even = config_of(gpt2_folder, small), config_of(gpt2_folder, small, prompt="equal-treatment")
    runs = [pipeline.start(config, tmp_path / name) for name, config in (("plain", plain), ("even", even))]
    answers = [pipeline.complete(run) for run in runs]
    assert answers[0]["probe_id"].equals(answers[1]["probe_id"])
    assert not answers[0]["option_logprobs"].equals(answers[1]["option_logprobs"])
    assert pipeline.run_id(plain) != pipeline.run_id(even)
    manifests = [Manifest.load(run.folder).data for run in runs]
    keys = [manifest["stages"]["complete"] for manifest in manifests]
    assert keys[0]["key"] != keys[1]["key"]
    assert keys[1]["settings"]["model"]["prompt"] == "equal-treatment"
    assert "prompt" not in manifests[0]["model"]
    assert manifests[1]["model"]["prompt_text"] == load_prompt("equal-treatment", "en")
    with pytest.raises(ConfigError, match="holds a run with other settings"):
        pipeline.start(even, tmp_path / "plain")


def test_a_prompt_file_that_was_changed_makes_its_answers_stale(
    gpt2_folder: Path, config_of: Callable[..., Config], tmp_path: Path
) -> None:
    path = tmp_path / "even.txt"
    identities = []
    for text in ("Be even.", "Be even.", "Be fair."):
        path.write_text(text, encoding="utf-8")
        identities.append(open_backend(config_of(gpt2_folder, prompt=str(path))).identity())
    assert identities[0] == identities[1] != identities[2]
    assert open_backend(config_of(gpt2_folder)).identity() not in identities


def test_an_unknown_prompt_is_refused_before_anything_is_written(
    gpt2_folder: Path, config_of: Callable[..., Config], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="unknown prompt"):
        pipeline.start(config_of(gpt2_folder, prompt="nice"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["planted:null", "planted:delta=0.3,axis=gender@embedded:smollm2"])
def test_a_planted_model_takes_no_prompt(name: str) -> None:
    with pytest.raises(ConfigError, match=r"model\.prompt: 'equal-treatment' cannot be put before 'planted:"):
        open_backend(parse(Config, {"model": {"name": name, "prompt": "equal-treatment"}}, "test"))
