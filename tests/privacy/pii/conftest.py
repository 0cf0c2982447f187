"""The detectors, loaded once: spaCy takes seconds."""

from __future__ import annotations

import pytest

from audit.privacy.pii import Detector, open_detector


@pytest.fixture(scope="session")
def english() -> Detector:
    return open_detector("en")


@pytest.fixture(scope="session")
def chinese() -> Detector:
    return open_detector("zh")
