"""Tiny models in memory and on disk, on one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from tests import tiny


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def model_of() -> Callable[..., Any]:
    """A tiny model of a kind; the same object for the same arguments."""
    return cache(tiny.model)


@pytest.fixture(scope="session")
def words() -> Any:
    """The tokenizer of the tiny GPT-2: numbers of several digits are one token."""
    return tiny.tokenizer()
