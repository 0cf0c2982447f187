"""The detector as a whole: no network, no noise, any text, any number of texts."""

from __future__ import annotations

import logging
import sys
import time
from itertools import pairwise

import pytest

from audit.errors import ConfigError
from audit.privacy.pii import TYPES, Detector, open_detector
from audit.privacy.pii.detector import PIECE
from tests.privacy.pii.conftest import without_sockets


def test_no_socket_is_opened(english: Detector, chinese: Detector, dialled: list[object]) -> None:
    with without_sockets(dialled):
        for detector in (english, chinese):
            found = detector(["mail ana@some-new-domain.co.uk or ana@shop.example, 4539 8386 5768 7179"])
            assert [one.type for one in found[0]] == ["EMAIL_ADDRESS", "EMAIL_ADDRESS", "CREDIT_CARD"]
    assert dialled == []


def test_findings_are_sorted_disjoint_and_of_known_types(english: Detector) -> None:
    text = "Hi, this is Ana Reyes, 55 Elm Street, Worcester, MA 01609, order 77-2093118, card 4539 8386 5768 7179."
    found = english([text])[0]
    assert {one.type for one in found} == {"PERSON", "STREET_ADDRESS", "ORDER_NUMBER", "CREDIT_CARD"}
    assert {one.type for one in found} <= set(TYPES)
    assert all(one.end <= other.start for one, other in pairwise(found))


def test_each_text_has_its_own_findings(english: Detector) -> None:
    texts = ["mail ana@shop.example", "", "nothing here", "mail bea@shop.example"]
    assert [len(found) for found in english(texts)] == [1, 0, 0, 1]
    assert english([]) == []


def test_places_are_those_of_the_text_beyond_its_first_piece(english: Detector) -> None:
    text = "blah " * (PIECE // 4) + "mail ana@shop.example " + "blah " * PIECE
    found = english([text])[0]
    assert [text[one.start : one.end] for one in found] == ["ana@shop.example"]


@pytest.mark.parametrize(
    "text",
    [
        "\0\0ana@shop.example\0",
        "\ud800 ana@shop.example \udfff",
        "\u202eana@shop.example",
        "ana@shop.example" + "\U0001f33a" * 50,
        "\n\n\t ana@shop.example",
    ],
)
def test_signs_that_are_no_text_do_no_harm(english: Detector, chinese: Detector, text: str) -> None:
    for detector in (english, chinese):
        found = detector([text])[0]
        assert [text[one.start : one.end] for one in found if one.type == "EMAIL_ADDRESS"] == ["ana@shop.example"]


@pytest.mark.parametrize("unit", ["1", "1 ", "A", "Ab ", "1-", "a.", "a@", ":", "路1号", "王小", "4 Elm "])
def test_a_long_run_of_anything_is_read_in_seconds(english: Detector, chinese: Detector, unit: str) -> None:
    text = unit * (8_000 // len(unit))
    start = time.process_time()
    english([text])
    chinese([text])
    assert time.process_time() - start < 10


def test_a_text_of_a_megabyte_is_read(english: Detector) -> None:
    text = "A" * 1_000_000 + " ana@shop.example"
    assert [text[one.start : one.end] for one in english([text])[0]] == ["ana@shop.example"]


def test_the_libraries_are_silent(
    english: Detector, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO):
        english(["Hi, this is Ana Reyes."])
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_a_locale_without_a_detector_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"run\.locale: .*'fr'.*en or zh"):
        open_detector("fr")


def test_missing_packages_are_one_line_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    monkeypatch.delitem(sys.modules, "audit.privacy.pii.engine", raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'evenhand\[privacy\]'"):
        open_detector.__wrapped__("en")  # not the one that is loaded already
