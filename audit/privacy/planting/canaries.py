"""Canaries: invented sentences of invented customers, each with a secret that stands nowhere else.

A model that finds the secret of a planted canary likelier than secrets that it never saw has
learned it by heart (Carlini et al. 2019, arXiv 1802.08232).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import StrictBool

from audit.errors import ConfigError
from audit.privacy.planting.chance import source
from audit.privacy.planting.forms import Form
from audit.privacy.planting.people import balanced
from audit.values import Persona, content_hash

# Of the part of a canary's text that is its secret, where spans of a text are named.
SECRET: Final = "secret"
# A secret is drawn again if it was drawn before: with so few drawn of all that there are, that is rare.
_SPARE: Final = 1000


@dataclass(frozen=True, slots=True)
class Canary:
    """A sentence with a secret, and how its coin fell.

    ``secret`` is as it stands in ``text``; ``groups`` (axis -> group) are those of who says it; ``inserted`` tells
    whether it was put into the training file, None where no coin was tossed: a reference.
    """

    canary_id: str
    text: str
    secret: str
    groups: Mapping[str, str]
    inserted: StrictBool | None = None


def make_canaries(
    m: int, *, locale: str, form: Form, people: Sequence[Persona], seed: int | None
) -> tuple[Canary, ...]:
    """Make ``m`` canaries of one form, in random order, their people evenly of all groups, no secret twice.

    The order is random, so that any cut by position is a random one: whichever are planted, kept back, or used
    as references are exchangeable, in their groups too. A canary never planted then ranks evenly among the
    references, and its exposure is 1.44 bits (1 / ln 2) on average.

    Parameters
    ----------
    m
        How many.
    locale
        Of the form and the people.
    form
        What they say, see :func:`~audit.privacy.planting.forms.load_form`.
    people
        Who says it, see :func:`~audit.privacy.planting.people.people_of`.
    seed
        None draws from the operating system.

    Raises
    ------
    ConfigError
        If form or people are of another locale, or ``m`` is below 1 or too near to how many secrets there are.

    Examples
    --------
    >>> from audit.privacy.planting import load_form, people_of
    >>> canary, = make_canaries(1, locale="en", form=load_form("en", "gift_card"), people=people_of("en"), seed=4)
    >>> canary.text
    'Hello, this is Sunita S., the code of my gift card is 1968 0171 2736.'
    >>> dict(canary.groups), canary.secret
    ({'race': 'south_asian', 'gender': 'female', 'race_gender': 'south_asian_female'}, '1968 0171 2736')
    """
    if m < 1:
        raise ConfigError(f"canaries: {m} is too few; ask for at least 1")
    if m > form.space // _SPARE:
        raise ConfigError(f"canaries: {m:,} of {form.space:,} secrets are too many; take a longer secret, or fewer")
    if not people:
        raise ConfigError("canaries: there is nobody to say them; name a persona file with names")
    strange = sorted({form.locale, *(person.locale for person in people)} - {locale})
    if strange:
        raise ConfigError(f"canaries: form or people are of {strange[0]!r}, not {locale!r}; give those of one locale")
    chance = source(seed, "canaries")
    secrets: dict[str, None] = {}
    while len(secrets) < m:
        secrets[form.draw(chance)] = None
    return tuple(
        _canary(form.fill(person.name, secret), secret, person)
        for person, secret in zip(balanced(people, m, chance), secrets, strict=True)
    )


def _canary(text: str, secret: str, person: Persona) -> Canary:
    return Canary(content_hash(["canary", text], 16), text, secret, dict(person.attributes))
