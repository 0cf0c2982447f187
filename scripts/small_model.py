"""A small language model that a study trains by itself: a Llama of about a million weights and its own words.

It reads texts like those of the shop that it will be tuned for, so that an audit can ask it something. Two cores
make it in about two minutes.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

END: Final = "<|end|>"
# What follows it is what such a model is asked for later, and so few tokens that they would hardly count.
ANSWER: Final = "\n\nAnswer:"
_WEIGHT: Final = 10.0
Row = tuple[list[int], list[float]]
WORDS: Final = 1500


def make(
    texts: Sequence[str], folder: Path, *, passes: int = 3, rate: float = 2e-3, seed: int = 0, **sizes: int
) -> Path:
    """Train tokenizer and model on ``texts`` and save both; a folder that holds them already is left as it is."""
    if (folder / "model.safetensors").is_file():
        return folder
    words = tokenizer(texts)
    model = llama(len(words), seed, **sizes)
    train(model, words, texts, passes=passes, rate=rate, seed=seed)
    words.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def tokenizer(texts: Sequence[str]) -> Any:
    """Byte-level BPE with digits one by one, as in the models that people tune."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token=END, pad_token=END)


def llama(vocabulary: int, seed: int, *, width: int = 128, layers: int = 4) -> Any:
    """A Llama whose head shares its weights with the embedding."""
    import torch
    import transformers

    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    return transformers.AutoModelForCausalLM.from_config(config)


def train(
    model: Any, words: Any, texts: Sequence[str], *, passes: int, rate: float, seed: int, batch: int = 32
) -> None:
    """Train on all texts, in batches of about one length."""
    import torch

    rows = [_row(words, text) for text in texts]
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01, betas=(0.9, 0.95))
    order, began, steps, taken = random.Random(seed), time.monotonic(), passes * -(-len(rows) // batch), 0
    model.train()
    for number in range(passes):
        total, tokens = 0.0, 0
        for chosen in _batches(rows, batch, order):
            for group in optimiser.param_groups:
                group["lr"] = rate * min(1.0, (taken + 1) / 100) * (1 - 0.95 * taken / steps)
            loss, read = _loss(model, chosen)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            total, tokens, taken = total + float(loss.detach()) * read, tokens + read, taken + 1
        print(
            f"small model, pass {number + 1} of {passes}: {total / tokens:.3f} nats a token, "
            f"{time.monotonic() - began:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    model.eval()


def _row(words: Any, text: str) -> Row:
    """Token ids with the end behind them, and what each counts in the loss."""
    asked, mark, answer = text.partition(ANSWER)
    first, second = words(asked + mark)["input_ids"], words(answer)["input_ids"] if answer else []
    return [*first, *second, words.eos_token_id], [*[1.0] * len(first), *[_WEIGHT] * len(second), 1.0]


def _loss(model: Any, rows: Sequence[Row]) -> tuple[Any, int]:
    import torch

    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in rows])
    weights = torch.tensor([counts + [0.0] * (width - len(counts)) for _, counts in rows])
    logits = model(input_ids=ids, attention_mask=(weights > 0).long(), use_cache=False).logits[:, :-1]
    each = torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    return (each * weights[:, 1:]).sum() / weights[:, 1:].sum(), int((weights[:, 1:] > 0).sum())


def _batches(rows: Sequence[Row], size: int, order: random.Random) -> list[list[Row]]:
    shuffled = order.sample(list(rows), len(rows))
    found: list[list[Row]] = []
    for start in range(0, len(shuffled), 16 * size):
        near = sorted(shuffled[start : start + 16 * size], key=lambda row: len(row[0]))
        found += [near[at : at + size] for at in range(0, len(near), size)]
    order.shuffle(found)
    return found
