"""Suites and personas become probes: one row for each thing that is asked of the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from audit.config import Config
from audit.probes.catalogue import Item, item_for, pick_categories
from audit.probes.manipulation import manipulation_rows
from audit.probes.personas import is_irrelevant, is_label_free, is_placebo, load_personas
from audit.probes.sampling import balanced_sample
from audit.probes.slots import fill
from audit.probes.suite import Suite, load_suites
from audit.probes.templates import POLES, gold_of
from audit.tables import check, from_rows
from audit.values import Persona, Template, content_hash


@dataclass(frozen=True, slots=True)
class Block:
    """A wording in one category: all its probes differ in the customer or the facts only."""

    template: Template
    category: str
    item: Item
    locale: str

    @property
    def block_id(self) -> str:
        """Hash of template, category and locale."""
        return content_hash([self.template.id, self.category, self.locale], 16)


def expand(config: Config) -> tuple[pa.Table, pa.Table]:
    """Return the tables personas and probes of a run.

    Decisions and numbers are asked of every persona in every block; texts of a
    balanced sample of ``run.sample`` cells a task. Every block is also asked without
    a customer, in other words, with irrelevant attributes (texts: with one of them, in
    turn) and with the two poles of the positive control; blocks of a judged task with
    the placebos too. Apart from all tasks, every name is asked which group it is of.

    Rows stand in the order of task, template, category, arm and persona as they
    stand in their files, so the same files and config give the same tables.

    Raises
    ------
    ConfigError
        For a mistake in a suite, a persona file or the config.
    """
    personas = load_personas(config)
    rows = [row for suite in load_suites(config) for row in _probes(suite, personas, config)]
    if config.run.manipulation:
        rows += manipulation_rows(personas, config.run.locale)
    people = from_rows("personas", map(_persona_row, personas))
    return check("personas", people), check("probes", from_rows("probes", rows))


def blocks_of(suite: Suite, categories_per_template: int) -> list[Block]:
    """The blocks of a suite, each template in so many of its categories (0: all)."""
    picked = pick_categories([template.categories for template in suite.templates], categories_per_template)
    return [
        Block(template, category, item_for(suite.catalogue, template.id, category), suite.locale)
        for template, categories in zip(suite.templates, picked, strict=True)
        for category in categories
    ]


def _probes(suite: Suite, personas: Sequence[Persona], config: Config) -> Iterator[dict[str, Any]]:
    blocks = blocks_of(suite, config.run.categories_per_template)
    people = [persona for persona in personas if not is_label_free(persona)]
    placebos = [persona for persona in personas if is_placebo(persona)] if suite.judged else []
    size = config.run.sample if suite.output_form == "text" else 0
    sampled = _sampled([block.block_id for block in blocks], people, size, config.run.seed)
    irrelevant = _irrelevant(blocks, personas, every=size == 0)
    for block in blocks:
        for persona in people:
            if (block.block_id, _stimulus(persona)) in sampled:
                yield _row(suite, block, "target", persona)
        yield _row(suite, block, "no_cue")
        if block.template.paraphrase:
            yield _row(suite, block, "paraphrase")
        for persona in placebos:
            yield _row(suite, block, "placebo", persona)
        for persona in irrelevant[block.block_id]:
            yield _row(suite, block, "irrelevant", persona)
        for pole in POLES:
            yield _row(suite, block, "positive_control", facts=pole)


def _irrelevant(blocks: Sequence[Block], personas: Sequence[Persona], *, every: bool) -> dict[str, list[Persona]]:
    """For each block the irrelevant attributes asked in it, each with both of its values: all, or one in turn."""
    attributes: dict[str | None, list[Persona]] = {}
    for persona in filter(is_irrelevant, personas):
        attributes.setdefault(persona.cue_id, []).append(persona)
    pairs = list(attributes.values())
    if every or not pairs:
        return {block.block_id: [persona for pair in pairs for persona in pair] for block in blocks}
    return {block.block_id: pairs[place % len(pairs)] for place, block in enumerate(blocks)}


def _sampled(blocks: Sequence[str], people: Sequence[Persona], size: int, seed: int) -> set[tuple[str, str]]:
    """The (block, stimulus) cells that are asked: about ``size`` probes, 0 for all.

    A phrasing of an explicit cue is asked with all its groups in a block or not at all:
    its contrast is the difference within the phrasing.
    """
    members: dict[str, dict[str, int]] = {}
    for persona in people:
        group = members.setdefault(_finest_group(persona), {})
        group[_stimulus(persona)] = group.get(_stimulus(persona), 0) + 1
    # Every group is sampled alike often; a stimulus of one may be several probes.
    widest = sum(max(group.values()) for group in members.values())
    cells = round(size * len(members) / widest) if size else 0
    groups = {name: list(group) for name, group in members.items()}
    return set(balanced_sample(blocks, groups, cells, seed))


def _stimulus(persona: Persona) -> str:
    """What is drawn: a name, or a phrasing."""
    return persona.cue_id or persona.persona_id


def _finest_group(persona: Persona) -> str:
    """Names by all their groups; phrasings stand for every group of their axis."""
    labels = sorted(persona.attributes) if persona.cue_id else dict(persona.attributes)
    return content_hash([persona.cue_channel, labels])


def _row(suite: Suite, block: Block, arm: str, persona: Persona | None = None, facts: str = "target") -> dict[str, Any]:
    text = block.template.paraphrase if arm == "paraphrase" else block.template.text
    messages = _messages(suite, block, text, persona, facts)
    options = [{"id": identifier, "forms": list(forms)} for identifier, forms in suite.options]
    shown = {
        "template_id": block.template.id,
        "category": block.category,
        "locale": block.locale,
        "arm": arm,
        "persona_id": persona.persona_id if persona else None,
        "messages": messages,
        "output_form": suite.output_form,
        "options": options,
    }
    return shown | {
        "probe_id": content_hash(shown | {"cue_channel": persona.cue_channel if persona else None}),
        "suite": suite.name,
        "task": suite.task,
        "block_id": block.block_id,
        "purpose": "audit",
        "gold": facts if arm == "positive_control" else gold_of(block.template, persona),
    }


def _messages(suite: Suite, block: Block, text: str, persona: Persona | None, facts: str) -> list[dict[str, str]]:
    template = block.template
    if persona is None:
        customer = ""
    elif persona.cue_channel == "name":
        customer = template.name_frame.format(name=persona.name)
    else:
        customer = persona.name
    values = {"item": block.item.name, "price": block.item.price, "facts": template.facts[facts]}
    messages = [{"role": "user", "content": fill(text, **values, customer=customer)}]
    if suite.system:
        messages.insert(0, {"role": "system", "content": suite.system})
    if template.answer_prefix:
        messages.append({"role": "assistant", "content": fill(template.answer_prefix, **values)})
    return messages


def _persona_row(persona: Persona) -> dict[str, Any]:
    return {
        "persona_id": persona.persona_id,
        "name": persona.name,
        "cue_id": persona.cue_id,
        "locale": persona.locale,
        "cue_channel": persona.cue_channel,
        "attributes": sorted(persona.attributes.items()),
        "p_group": persona.p_group,
        "cohort": persona.cohort,
        "source": persona.source,
    }
