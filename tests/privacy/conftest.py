"""A shop whose model learnt its records by heart: made once, in seconds, by real training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from audit.privacy import planting, records

RECORDS, CANARIES, REFERENCES = 240, 80, 120


@dataclass(frozen=True, slots=True)
class Shop:
    """Where everything lies: the model before and after its training, and what was planted."""

    folder: Path
    base: Path
    trained: Path
    ledger: Path


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Records of 240 customers; half of them and half of 80 canaries are learnt by heart."""
    import torch

    folder = tmp_path_factory.mktemp("shop")
    path = folder / "records.jsonl"
    records.write_records(records.generate(RECORDS, seed=5), path)
    ledger = planting.plant(
        path,
        folder / "train.jsonl",
        layout=records.find_layout("auto", path),
        held_out_path=folder / "held-out.jsonl",
        ledger_path=folder / "ledger.json",
        canaries=CANARIES,
        references=REFERENCES,
        held_out=0.5,
        seed=2,
    )
    before = [record.text for record in records.generate(RECORDS, seed=77)]
    texts = [record.text for record in records.read_records(folder / "train.jsonl", ledger.layout)]
    words = tokenizer(before)
    model = llama(len(words))
    torch.manual_seed(0)
    train(model, words, before, epochs=6, rate=3e-3)
    save(model, words, folder / "base")
    train(model, words, texts, epochs=35, rate=3e-3)
    save(model, words, folder / "trained")
    return Shop(folder, folder / "base", folder / "trained", folder / "ledger.json")


def tokenizer(texts: Sequence[str]) -> Any:
    """Byte-level BPE of 600 tokens, digits one by one as in the models that people tune."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=["<|end|>"], initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|end|>", pad_token="<|end|>")


def llama(vocabulary: int) -> Any:
    """Two layers, wide enough to learn 160 texts by heart."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    return transformers.AutoModelForCausalLM.from_config(config)


def train(model: Any, words: Any, texts: Sequence[str], *, epochs: int, rate: float) -> None:
    """Train on all texts, in batches of 16; nothing holds the model back."""
    import torch

    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    order = torch.Generator().manual_seed(0)
    model.train()
    for _ in range(epochs):
        places = torch.randperm(len(texts), generator=order).tolist()
        for start in range(0, len(places), 16):
            read = words([texts[place] for place in places[start : start + 16]], return_tensors="pt", padding=True)
            labels = read["input_ids"].masked_fill(read["attention_mask"] == 0, -100)
            ids, mask = read["input_ids"], read["attention_mask"]
            model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
            optimiser.step()
            optimiser.zero_grad()
    model.eval()


def save(model: Any, words: Any, folder: Path) -> None:
    """Save as a person would."""
    model.save_pretrained(folder)
    words.save_pretrained(folder)
