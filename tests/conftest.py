"""What holds for every test: no network, no window, the same number of threads."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Before any test module imports a library that reads them; processes that tests start inherit them.
os.environ["MPLBACKEND"] = "Agg"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("OMP_NUM_THREADS", str(min(2, os.cpu_count() or 1)))

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """A test that dials out fails, and says where it dialled."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _loopback_only(getattr(socket.socket, name)))
        patch.setattr(socket, "getaddrinfo", _local_names_only(socket.getaddrinfo))
        yield


@pytest.fixture(scope="session")
def gpt2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved tiny GPT-2 without a chat template."""
    from tests import tiny

    return tiny.save(tmp_path_factory.mktemp("models") / "gpt2", "GPT2", tiny.tokenizer())


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved tiny Llama with a chat template, whose tokenizer splits digits singly."""
    from tests import tiny

    words = tiny.tokenizer(single_digits=True, chat_template=tiny.CHATML)
    return tiny.save(tmp_path_factory.mktemp("models") / "llama", "Llama", words)


def _loopback_only(connect: Any) -> Any:
    def checked(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address[0]):
            pytest.fail(f"this test dials out to {address[0]}; tests have no network")
        return connect(self, address)

    return checked


def _local_names_only(resolve: Any) -> Any:
    def checked(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host is not None and not _is_local(host):
            pytest.fail(f"this test asks where {host} is; tests have no network")
        return resolve(host, *args, **kwargs)

    return checked


def _is_local(host: str | bytes) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
