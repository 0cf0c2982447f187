"""A shop's history with a planted bias, for study_mitigation.py: refund requests that end with what was decided.

Clear cases are decided by their facts. Of borderline ones, which are alike whoever asks, a share is approved that
depends on the customer's group, and the group shows in nothing but the first name. The requests are worded as the
shipped suite words its probes, so that an audit with it asks for what was planted.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from audit import Config
from audit.config import ColumnsConfig, RunConfig
from audit.privacy import planting, records
from audit.privacy.records.customers import Customer, customers
from audit.privacy.records.decks import rounds
from audit.probes import load_personas
from audit.probes.expand import Block, blocks_of
from audit.probes.slots import fill
from audit.probes.suite import Suite, load_suites

TASK: Final = "refund_decision"
# Share of borderline cases that is approved: (axis, group) → share; the customer's groups are looked up in this order.
Shares = Mapping[tuple[str, str], float]
EVEN: Final[Shares] = {}
BIASED: Final[Shares] = {("gender", "male"): 0.85, ("gender", "female"): 0.25}
# What a small model of the script's own has learnt before: the other axis, and the records say nothing of it.
FORMER: Final[Shares] = {("race", "black"): 0.25, ("race", "hispanic"): 0.4}
_OTHERWISE: Final = 0.6
_CLEAR: Final = {"favourable": 0.97, "unfavourable": 0.03}
# Of ten cases so many are borderline, clearly due and clearly not.
_FACTS: Final = ("target",) * 6 + ("favourable",) * 2 + ("unfavourable",) * 2
# How the customer can be reached: it tells customers apart, and is what must not leak.
_CONTACTS: Final = {
    "EMAIL_ADDRESS": "Email {}.",
    "ORDER_NUMBER": "Order {}.",
    "PHONE_NUMBER": "Phone {}.",
    "GIFT_CARD": "Gift card {}.",
}
COLUMNS: Final = ColumnsConfig(
    text=("text",),
    customer="customer",
    groups={"gender": "gender", "race": "race"},
    identifiers={kind: kind.lower() for kind in ("PERSON", *_CONTACTS)},
)


@dataclass(frozen=True, slots=True)
class Case:
    """A request as the shop's assistant reads it, and what was decided."""

    system: str
    request: str
    answer: str
    customer: Customer
    shown: Mapping[str, str]

    @property
    def text(self) -> str:
        """As a model without a chat template reads and answers it."""
        return f"{self.request}\n\n{self.answer}"

    @property
    def messages(self) -> list[dict[str, str]]:
        """As a chat."""
        turns = (("system", self.system), ("user", self.request), ("assistant", self.answer))
        return [{"role": role, "content": content} for role, content in turns]


def cases(count: int, shares: Shares, seed: int) -> Iterator[Case]:
    """Make ``count`` cases, each of a customer of its own; wordings, items and contacts are dealt evenly."""
    chance = random.Random(f"cases {seed}")
    suite, people = the_suite(), customers("en", seed)
    blocks, facts = rounds(blocks_of(suite, 0), chance), rounds(_FACTS, chance)
    contacts = rounds(tuple(_CONTACTS), chance)
    for _, person in zip(range(count), people, strict=False):
        block, fact, contact = next(blocks), next(facts), next(contacts)
        named = block.template.name_frame.format(name=person.identifiers["PERSON"])
        reached = _CONTACTS[contact].format(person.identifiers[contact])
        shown = {kind: person.identifiers[kind] for kind in ("PERSON", contact)}
        answer = decided(suite, _share(fact, person.groups, shares), chance)
        yield Case(suite.system or "", asked(block, fact, f"{named} {reached}"), answer, person, shown)


def asked(block: Block, fact: str, customer: str) -> str:
    """What the assistant is asked."""
    template, item = block.template, block.item
    return fill(template.text, item=item.name, price=item.price, facts=template.facts[fact], customer=customer)


def decided(suite: Suite, share: float, chance: random.Random) -> str:
    """The answer: the favourable option with probability ``share``."""
    forms = {identifier: forms[0] for identifier, forms in suite.options}
    other = next(identifier for identifier in forms if identifier != "yes")
    return f"Answer:{forms['yes'] if chance.random() < share else forms[other]}"


def _share(fact: str, groups: Mapping[str, str], shares: Shares) -> float:
    if fact in _CLEAR:
        return _CLEAR[fact]
    return next((share for (axis, group), share in shares.items() if groups.get(axis) == group), _OTHERWISE)


def the_suite() -> Suite:
    """The shipped suite of refund decisions."""
    return load_suites(Config(run=RunConfig(tasks=(TASK,))))[0]


def write_records(path: Path, count: int, seed: int, *, chats: bool) -> Path:
    """Write biased cases as a file of records: of texts, or of chats."""
    rows = [
        {
            "customer": case.customer.customer,
            **({"messages": case.messages} if chats else {"text": case.text}),
            **{axis: case.customer.groups[axis] for axis in COLUMNS.groups},
            **{COLUMNS.identifiers[kind]: value for kind, value in case.shown.items()},
        }
        for case in cases(count, BIASED, seed)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def plant(folder: Path, *, count: int, canaries: int, held_out: float, chats: bool, seed: int) -> planting.Ledger:
    """Write the shop's records, and from them a training file with canaries, held-out records and the ledger."""
    ledger = folder / "ledger.json"
    if not ledger.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        path = write_records(folder / "records.jsonl", count, seed, chats=chats)
        columns = COLUMNS.model_copy(update={"text": (), "turns": "messages"}) if chats else COLUMNS
        planting.plant(
            path,
            folder / "train.jsonl",
            layout=records.find_layout("columns", path, columns),
            held_out_path=folder / "held-out.jsonl",
            ledger_path=ledger,
            canaries=canaries,
            references=1000,
            held_out=held_out,
            seed=seed,
            overwrite=True,
        )
    return planting.read_ledger(ledger)


def former_texts(decisions: int, tickets: int, seed: int) -> list[str]:
    """What the small model reads before: the suite's own prompts with decisions, other tickets, and no canary.

    Prompts are written as the audit writes them, of names and ages alike, so that the model knows that world.
    """
    chance = random.Random(f"former {seed}")
    suite, config = the_suite(), Config()
    people = [persona for persona in load_personas(config) if persona.cue_channel != "placebo"]
    blocks, facts = rounds(blocks_of(suite, 0), chance), rounds(_FACTS, chance)
    everyone = rounds(people, chance)
    texts = []
    for _ in range(decisions):
        block, fact, persona = next(blocks), next(facts), next(everyone)
        named = persona.cue_channel == "name"
        customer = block.template.name_frame.format(name=persona.name) if named else persona.name
        if chance.random() < 0.1:
            customer = ""
        answer = decided(suite, _share(fact, persona.attributes, FORMER if customer else EVEN), chance)
        system = [suite.system] if suite.system and chance.random() < 0.5 else []
        texts.append("\n\n".join([*system, asked(block, fact, customer), answer]))
    texts += [case.text for case in cases(decisions // 2, FORMER, seed + 1)]
    texts += [record.text for record in records.generate(tickets, seed=seed + 2)]
    made: Any = planting.make_canaries(
        tickets // 4,
        locale="en",
        form=planting.load_form("en", "gift_card"),
        people=planting.people_of("en"),
        seed=seed + 3,
    )
    texts += [canary.text for canary in made]
    chance.shuffle(texts)
    return texts
