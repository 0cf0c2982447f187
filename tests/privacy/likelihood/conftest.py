"""Tiny models and texts to score, on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audit.config import ModelConfig
from audit.privacy.likelihood import Passage, Scorer
from tests import tiny

TEXTS = (
    *tiny.SENTENCES,
    "你好，王小明的订单号是 A-1029。",
    "A short one.",
    "Emoji 🙂 and é, and then some more words about an order that came late and a parcel at the door.",
)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def words() -> Any:
    return tiny.tokenizer()


@pytest.fixture(scope="session")
def passages() -> list[Passage]:
    return [Passage(f"p{number}", text) for number, text in enumerate(TEXTS)]


@pytest.fixture(scope="session")
def gpt2(gpt2_folder: Path) -> Scorer:
    return Scorer(ModelConfig(name=str(gpt2_folder)))
