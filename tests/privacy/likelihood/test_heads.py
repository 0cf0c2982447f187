"""Ways through models of several kinds: as a plain pass on each text alone, and never many logits at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GPT2LMHeadModel

from audit.config import ModelConfig
from audit.errors import BackendError
from audit.privacy.likelihood import Passage, Scorer
from audit.privacy.likelihood.heads import find_way, in_blocks, in_rows, padded
from audit.privacy.likelihood.planning import encode
from tests import tiny

GATED = {
    **{"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2},
    **{"intermediate_size": 48, "head_dim": 8, "max_position_embeddings": 512},
}
CAPPED = {
    "Gemma2": {"final_logit_softcapping": 2.0},
    "Cohere": {"logit_scale": 0.25},
    "Granite": {"logits_scaling": 4.0},
}


def alone(model: Any, tokens: np.ndarray) -> Any:
    """Log-probabilities of a text by a plain pass; shape (tokens - 1, vocabulary)."""
    with torch.inference_mode():
        return model(torch.from_numpy(tokens.astype(np.int64))[None]).logits[0, :-1].float().log_softmax(-1)


def scored(folder: Path, texts: list[np.ndarray]) -> tuple[Scorer, list[Any]]:
    scorer = Scorer(ModelConfig(name=str(folder)))
    return scorer, scorer.score([encode(Words(tokens), Passage("a", ""), 999) for tokens in texts])


class Words:
    """Stands for a tokenizer: what it was given is what it tells."""

    is_fast = False

    def __init__(self, tokens: np.ndarray) -> None:
        self.tokens = tokens

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return {"input_ids": self.tokens.tolist()}


def made_up(vocabulary: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, vocabulary, size).astype(np.int32) for size in (3, 17, 2, 40)]


def check(scorer: Scorer, texts: list[np.ndarray], found: list[Any]) -> None:
    for tokens, row in zip(texts, found, strict=True):
        expected = alone(scorer.model, tokens)
        targets = torch.from_numpy(tokens[1:].astype(np.int64))
        logprobs = expected.gather(-1, targets[:, None])[:, 0].numpy()
        np.testing.assert_allclose(row["token_logprobs"], logprobs, atol=1e-5, rtol=1e-5)
        assert row["greedy"].tolist() == (expected.argmax(-1) == targets).tolist()


@pytest.mark.parametrize("kind", ["GPT2", "Llama", "Qwen2", "GPTNeoX", "OPT", "Bloom", "Mamba"])
def test_a_batch_says_what_each_text_alone_says(kind: str, tmp_path: Path, words: Any) -> None:
    texts = made_up(len(words))
    scorer, found = scored(tiny.save(tmp_path, kind, words), texts)
    check(scorer, texts, found)
    assert scorer.way is (in_rows if kind == "OPT" else in_blocks), "OPT's head does not ask the body as a whole"


@pytest.mark.parametrize("kind", CAPPED)
def test_logits_that_a_model_caps_or_scales_are_capped_or_scaled(kind: str, tmp_path: Path, words: Any) -> None:
    import transformers

    special = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None, "initializer_range": 0.3}
    config = getattr(transformers, f"{kind}Config")(vocab_size=len(words), **GATED, **CAPPED[kind], **special)
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    model.save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    texts = made_up(len(words))
    scorer, found = scored(tmp_path, texts)
    check(scorer, texts, found)
    with torch.inference_mode():
        ids = torch.from_numpy(texts[1].astype(np.int64))[None]
        bare = model.get_output_embeddings()(model.base_model(ids).last_hidden_state)
        assert (bare - model(ids).logits).abs().max() > 0.1, "nothing was capped or scaled"


class LaterScaled(GPT2LMHeadModel):
    """Scales its logits by where in the text they stand, so that a few of them alone come out otherwise."""

    def forward(self, input_ids: Any = None, attention_mask: Any = None, **kwargs: Any) -> Any:
        found = super().forward(input_ids=input_ids, attention_mask=attention_mask, **kwargs)
        found.logits = found.logits * (1 + torch.arange(found.logits.shape[1])[:, None] / 10)
        return found


class WidthScaled(GPT2LMHeadModel):
    """Lets the length of the padded batch into its answers."""

    def forward(self, input_ids: Any = None, attention_mask: Any = None, **kwargs: Any) -> Any:
        found = super().forward(input_ids=input_ids, attention_mask=attention_mask, **kwargs)
        found.logits = found.logits * (1 + input_ids.shape[1] / 10)
        return found


def of_class(kind: type[GPT2LMHeadModel]) -> Any:
    return kind(tiny.model("GPT2").config).eval().requires_grad_(False)


def test_a_model_whose_head_cannot_be_run_on_a_few_tokens_is_run_whole() -> None:
    model = of_class(LaterScaled)
    assert find_way(model, "mine") is in_rows
    texts = made_up(700)
    with torch.inference_mode():
        found = torch.cat(list(in_rows(model, *padded(texts, "cpu"), 1 << 20))).log_softmax(-1)
    expected = torch.cat([alone(model, text) for text in texts])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_model_that_heeds_the_padding_is_refused() -> None:
    with pytest.raises(BackendError, match="model 'mine': answers otherwise when a text is padded"):
        find_way(of_class(WidthScaled), "mine")


@pytest.mark.parametrize("way", [in_blocks, in_rows])
@pytest.mark.parametrize("block", [700 * 5, 700 * 60, 1 << 24])
def test_logits_come_in_small_blocks_and_are_the_same(way: Any, block: int) -> None:
    model = tiny.model("GPT2")
    texts = made_up(700)
    with torch.inference_mode():
        blocks = list(way(model, *padded(texts, "cpu"), block))
    found = torch.cat(blocks).log_softmax(-1)
    np.testing.assert_allclose(found, torch.cat([alone(model, text) for text in texts]), atol=1e-5)
    held = block if way is in_blocks else 4 * block
    assert max(some.numel() for some in blocks) <= held
    assert len(blocks) == {in_blocks: {3500: 12, 42_000: 1}, in_rows: {3500: 5, 42_000: 1}}[way].get(block, 1)


def test_the_body_is_itself_again_even_if_the_head_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    model = of_class(GPT2LMHeadModel)
    ids, mask = padded(made_up(700), "cpu")
    with torch.inference_mode():
        before = model(ids).logits
        with monkeypatch.context() as patch:
            patch.setattr(model.lm_head, "forward", lambda *args: (_ for _ in ()).throw(RuntimeError("no memory")))
            with pytest.raises(RuntimeError, match="no memory"):
                list(in_blocks(model, ids, mask, 700))
        assert torch.equal(model(ids).logits, before)
