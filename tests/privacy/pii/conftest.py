"""The detectors, loaded once: spaCy takes seconds. Whatever opens a socket meanwhile is noted."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from audit.privacy.pii import Detector, open_detector


@contextmanager
def without_sockets(dialled: list[object]) -> Iterator[None]:
    def refuse(*args: object, **kwargs: object) -> None:
        dialled.append(args)
        raise OSError("no network here")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("socket", "create_connection", "getaddrinfo"):
            patch.setattr(socket, name, refuse)
        yield


@pytest.fixture(scope="session")
def dialled() -> list[object]:
    """What was dialled while the detectors were loaded, and in tests that add to it."""
    return []


@pytest.fixture(scope="session")
def english(dialled: list[object]) -> Detector:
    with without_sockets(dialled):
        return open_detector("en")


@pytest.fixture(scope="session")
def chinese(dialled: list[object]) -> Detector:
    with without_sockets(dialled):
        return open_detector("zh")
