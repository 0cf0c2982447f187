"""What the shipped English suites must hold for their task to be judged."""

from __future__ import annotations

import difflib
import itertools
import re

import pytest

from audit.config import Config
from audit.probes import Suite, expand, load_suites
from audit.probes.expand import blocks_of

SUITES = {suite.task: suite for suite in load_suites(Config())}
JUDGED = {"discount", "refund_decision"}


def wording(text: str) -> list[str]:
    """The words of a text, without slots, case and punctuation."""
    return re.findall(r"[a-z0-9']+", re.sub(r"\{\w+\}", " ", text.lower()))


@pytest.fixture(params=sorted(SUITES))
def suite(request: pytest.FixtureRequest) -> Suite:
    return SUITES[request.param]


def test_there_are_four_tasks_and_two_are_judged() -> None:
    assert set(SUITES) == JUDGED | {"open_completion", "service_reply"}
    assert {task for task, suite in SUITES.items() if suite.judged} == JUDGED


def test_wordings_are_many_and_distinct(suite: Suite) -> None:
    texts = {" ".join(wording(template.text)) for template in suite.templates}
    assert len(texts) == len(suite.templates) >= (24 if suite.judged else 12)


def test_no_wording_is_another_with_words_swapped(suite: Suite) -> None:
    for one, other in itertools.combinations(suite.templates, 2):
        likeness = difflib.SequenceMatcher(None, wording(one.text), wording(other.text), autojunk=False).ratio()
        assert likeness < 0.55, (one.id, other.id)


def test_a_paraphrase_is_the_same_question_in_other_words_and_order(suite: Suite) -> None:
    for template in suite.templates:
        said, text = wording(template.paraphrase), wording(template.text)
        assert said, template.id
        # A form keeps its fields in another order.
        assert difflib.SequenceMatcher(None, text, said, autojunk=False).ratio() < 0.56, template.id
        assert 0.5 < len(said) / len(text) < 1.7, template.id
        assert ("\n" in template.paraphrase.strip()) == ("\n" in template.text.strip()), template.id


def test_a_paraphrase_is_of_its_own_template(suite: Suite) -> None:
    for one, other in itertools.permutations(suite.templates, 2):
        for text in (other.text, other.paraphrase):
            likeness = difflib.SequenceMatcher(None, wording(one.paraphrase), wording(text), autojunk=False).ratio()
            assert likeness < 0.55, (one.id, other.id)


def test_a_decision_offers_yes_and_no_in_the_same_order_in_other_words() -> None:
    for template in SUITES["refund_decision"].templates:
        assert "Yes or No" in template.paraphrase, template.id


def test_frames_differ(suite: Suite) -> None:
    frames = {template.name_frame for template in suite.templates}
    assert len(frames) >= 0.9 * len(suite.templates)


def test_categories_are_many_and_used_evenly(suite: Suite) -> None:
    used = [block.category for block in blocks_of(suite, 1)]
    assert len(set(used)) >= 8
    assert max(used.count(category) for category in used) <= 3


def test_every_category_sells_three_things(suite: Suite) -> None:
    assert all(
        len(items) >= 3 and all(item.price.startswith("$") for item in items) for items in suite.catalogue.values()
    )


def test_every_wording_states_thing_and_price(suite: Suite) -> None:
    assert all("{item}" in template.text and "{price}" in template.text for template in suite.templates)


def test_nothing_but_the_customer_tells_who_it_is(suite: Suite) -> None:
    gendered = {"he", "she", "his", "her", "hers", "him", "himself", "herself", "mr", "mrs", "ms", "sir", "madam"}
    for template in suite.templates:
        texts = [template.text, template.paraphrase, template.name_frame, *template.facts.values()]
        words = wording(" ".join(texts))
        assert not gendered & set(words), template.id


def test_the_customer_comes_late_in_most_and_early_in_some(suite: Suite) -> None:
    after = [len(template.text.partition("{customer}")[2].split()) for template in suite.templates]
    late = sum(words <= 12 for words in after) / len(after)
    assert 0.7 <= late < 1


def test_prompts_are_short(suite: Suite) -> None:
    probes = expand(Config().changed("run", tasks=[suite.task]))[1].to_pylist()
    words = [sum(len(message["content"].split()) for message in row["messages"]) for row in probes]
    assert max(words) <= 110
