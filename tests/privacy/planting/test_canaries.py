"""Canaries: their secrets, their people, and that any two are exchangeable."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from audit.config import Config, RunConfig
from audit.errors import ConfigError
from audit.privacy.planting import load_form, load_forms, make_canaries, people_of
from audit.privacy.planting.forms import SHIPPED, SMALLEST_SPACE, read_forms
from audit.privacy.records import IDENTIFIER_TYPES
from audit.values import Persona

EN, ZH = people_of("en"), people_of("zh")
LOCALES = {"en": EN, "zh": ZH}
GOOD = """
locale = "en"
reply = "Thanks."
[[forms]]
id = "code"
type = "GIFT_CARD"
text = "I am {name}, code {secret}."
secret = "##########"
"""


def made(m, *, locale="en", form="gift_card", seed=1):
    return make_canaries(m, locale=locale, form=load_form(locale, form), people=LOCALES[locale], seed=seed)


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_every_shipped_form_has_at_least_ten_digits_a_known_type_and_a_short_text(locale):
    for form in load_forms(locale).values():
        canary = make_canaries(1, locale=locale, form=form, people=LOCALES[locale], seed=1)[0]
        assert form.space >= SMALLEST_SPACE
        assert form.type in IDENTIFIER_TYPES
        assert canary.secret in canary.text
        assert len(canary.text) <= 90
        assert canary.text.index(canary.secret) + len(canary.secret) >= len(canary.text) - 1


def test_both_locales_have_the_same_forms():
    assert list(load_forms("en")) == list(load_forms("zh"))


def test_secrets_follow_the_pattern_of_their_form():
    shape = {"#": r"\d", "@": "[A-Z]"}
    for form in load_forms("en").values():
        pattern = "".join(shape.get(sign, re.escape(sign)) for sign in form.secret)
        canaries = make_canaries(50, locale="en", form=form, people=EN, seed=2)
        assert all(re.fullmatch(pattern, canary.secret) for canary in canaries)


def test_each_sign_of_a_secret_is_evenly_drawn():
    digits = Counter("".join(canary.secret.replace(" ", "") for canary in made(4000)))
    expected = 4000 * 12 / 10
    statistic = sum((digits[sign] - expected) ** 2 / expected for sign in "0123456789")
    assert statistic < 27.9  # chi-squared with 9 degrees of freedom, p = .001


def test_no_secret_text_or_id_stands_twice():
    canaries = made(3000)
    for key in ("secret", "text", "canary_id"):
        assert len({getattr(canary, key) for canary in canaries}) == 3000


def test_the_same_seed_makes_the_same_canaries_and_another_makes_others():
    assert made(30, seed=4) == made(30, seed=4)
    assert {canary.secret for canary in made(30, seed=4)}.isdisjoint(canary.secret for canary in made(30, seed=5))


def test_without_a_seed_no_two_makings_agree():
    first, second = (made(30, seed=None) for _ in range(2))
    assert {canary.secret for canary in first}.isdisjoint(canary.secret for canary in second)


def test_canaries_have_no_coin_yet():
    assert {canary.inserted for canary in made(30)} == {None}


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_groups_are_balanced_and_are_those_of_the_name(locale):
    people = {person.name: person for person in LOCALES[locale]}
    canaries = made(1000, locale=locale)
    cells = Counter(tuple(sorted(canary.groups.items())) for canary in canaries)
    assert set(cells) == {tuple(sorted(person.attributes.items())) for person in people.values()}
    assert max(cells.values()) - min(cells.values()) <= 1
    for canary in canaries:
        named = [person for name, person in people.items() if name in canary.text]
        assert [dict(person.attributes) for person in named] == [dict(canary.groups)]


def test_names_of_a_cell_are_drawn_evenly():
    names = Counter(next(person.name for person in EN if person.name in canary.text) for canary in made(1000))
    for cell in {tuple(person.attributes.items()) for person in EN}:
        times = [names[person.name] for person in EN if tuple(person.attributes.items()) == cell]
        assert max(times) - min(times) <= 1


def test_any_cut_by_position_is_a_random_one():
    # Were the order not random, the first ten of twenty would always be of the same cells.
    women = [sum(canary.groups["gender"] == "female" for canary in made(20, seed=seed)[:10]) for seed in range(400)]
    # Hypergeometric: 10 of 20, 10 of whom are women. Mean 5, variance 10 · ¼ · 10/19.
    assert abs(np.mean(women) - 5) < 4 * np.sqrt(10 / 4 * 10 / 19 / 400)
    assert np.var(women) == pytest.approx(10 / 4 * 10 / 19, rel=0.3)


def test_a_canary_never_planted_ranks_evenly_among_references_whatever_its_group():
    # A model may like some names better: a score by group and a little noise. Exposure stays log2(n+1) - log2 rank.
    likes = {group: place for place, group in enumerate(sorted({p.attributes["race_gender"] for p in EN}))}
    rng = np.random.default_rng(0)
    exposures = []
    for seed in range(300):
        canaries = made(60, seed=seed)
        score = np.array([10 * likes[c.groups["race_gender"]] for c in canaries]) + rng.random(60)
        rank = 1 + np.sum(score[10:] > score[:10, None], axis=1)
        exposures.append(np.mean(np.log2(51) - np.log2(rank)))
    expected = np.mean(np.log2(51) - np.log2(np.arange(1, 52)))
    assert abs(np.mean(exposures) - expected) < 4 * np.std(exposures) / np.sqrt(300)


def test_chinese_people_are_balanced_share_surnames_and_are_always_the_same():
    assert Counter(person.attributes["gender"] for person in ZH) == {"male": 100, "female": 100}
    assert len({person.name for person in ZH}) == 200
    surnames = [Counter(p.name[0] for p in ZH if p.attributes["gender"] == gender) for gender in ("male", "female")]
    assert surnames[0] == surnames[1]
    assert people_of("zh") == ZH


def test_people_of_english_are_the_names_of_the_persona_file_without_its_sentences():
    assert {person.cue_channel for person in EN} == {"name"}
    assert {"race", "gender"} <= set(EN[0].attributes)


def test_people_come_from_a_persona_file_of_your_own(tmp_path: Path):
    path = tmp_path / "personas.toml"
    path.write_text('locale = "zh"\n[[names]]\nattributes = { gender = "female" }\nnames = ["王芳"]\n', "utf-8")
    people = people_of("zh", Config(run=RunConfig(locale="zh", personas=path)))
    assert [person.name for person in people] == ["王芳"]


def test_people_of_a_locale_without_names_is_an_error():
    with pytest.raises(ConfigError, match=r"locale 'fr': no names are shipped for it; use en or zh"):
        people_of("fr")


@pytest.mark.parametrize(
    ("m", "change", "says"),
    [
        (0, {}, "0 is too few"),
        (10**10, {}, "secrets are too many"),
        (5, {"people": ()}, "nobody to say them"),
        (5, {"people": ZH}, "form or people are of 'zh', not 'en'"),
        (5, {"locale": "zh"}, "form or people are of 'en', not 'zh'"),
    ],
)
def test_what_cannot_be_made_is_an_error(m, change, says):
    given = {"locale": "en", "form": load_form("en", "gift_card"), "people": EN, "seed": 1} | change
    with pytest.raises(ConfigError, match=says):
        make_canaries(m, **given)


def test_a_form_or_locale_that_is_not_there_is_an_error_that_lists_what_is():
    with pytest.raises(ConfigError, match=r"form 'passport': there is none in en; known are gift_card, order_number"):
        load_form("en", "passport")
    with pytest.raises(ConfigError, match=r"locale 'fr': there are no canaries for it; known are en, zh"):
        load_forms("fr")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("code {secret}", "code", "needs the slots {name} and {secret}, each exactly once"),
        ("I am {name}", "{name}, I am {name}", "each exactly once"),
        ("{secret}.", "{secret} {colour}.", "unknown slot {colour}"),
        ('"##########"', '"#########"', "1,000,000,000 values are too few"),
        ("secret =", "secrets =", "did you mean 'secret'?"),
    ],
)
def test_a_wrong_form_is_an_error_that_names_it(tmp_path, old, new, says):
    path = tmp_path / "forms.toml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(says)) as error:
        read_forms(path)
    assert str(error.value).startswith(str(path))


def test_two_forms_of_one_id_are_an_error(tmp_path):
    path = tmp_path / "forms.toml"
    path.write_text(GOOD + GOOD[GOOD.index("[[forms]]") :], encoding="utf-8")
    with pytest.raises(ConfigError, match="'code': stands twice"):
        read_forms(path)


def test_no_secret_can_be_a_telephone_number_in_use():
    # An American area code never begins with 0, a Chinese mobile number never with 12.
    assert load_form("en", "phone").secret.startswith("(0")
    assert "电话12{secret}" in load_form("zh", "phone").text


def test_people_are_those_of_the_locale_also_in_forms():
    assert {path.stem for path in SHIPPED.glob("*.toml")} == set(LOCALES)
    assert all(isinstance(person, Persona) and person.locale == "zh" for person in ZH)
