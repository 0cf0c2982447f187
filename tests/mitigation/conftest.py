"""A shop small enough to be trained in a second: a Llama that knows its words, and records to train on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from audit.config import Config
from audit.privacy import records
from tests.privacy.conftest import save, tokenizer

RECORDS = 60


@dataclass(frozen=True, slots=True)
class Tiny:
    """Where the model and the records lie."""

    base: Path
    records: Path

    def config(self, **settings: Any) -> Config:
        """A training of a few steps; with noise, not ε, given, which takes accountants longer than the training."""
        wanted = {
            "train": self.records,
            "steps": 3,
            "batch_size": 20,
            "rank": 4,
            "noise_multiplier": 1.0,
            "max_tokens": 48,
        }
        wanted |= {"public_size": RECORDS}
        return Config.model_validate(
            {"model": {"name": str(self.base)}, "privacy": {"layout": "generated"}, "finetune": wanted | settings}
        )


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """An untrained Llama of one narrow layer, and 60 made-up records."""
    import torch
    import transformers

    folder = tmp_path_factory.mktemp("mitigation")
    path = folder / "records.jsonl"
    records.write_records(records.generate(RECORDS, seed=3), path)
    words = tokenizer([record.text for record in records.generate(RECORDS, seed=4)])
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=128,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    save(transformers.AutoModelForCausalLM.from_config(config), words, folder / "base")
    return Tiny(folder / "base", path)
