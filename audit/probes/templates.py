"""A template: one wording of a suite with its paraphrase, facts and gold. Checked as it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from audit.config import Strict
from audit.errors import ConfigError
from audit.probes.catalogue import Catalogue
from audit.probes.slots import PREFIX_SLOTS, TEXT_SLOTS, fill, slots_in
from audit.values import Persona, Template

POLES = ("favourable", "unfavourable")
DEFAULT = "default"


class ControlFile(Strict):
    """The positive control of a suite: what it must move, and facts for templates without their own."""

    metric: str
    favourable: str | None = None
    unfavourable: str | None = None


class FactsFile(Strict):
    """The facts of a case, and the two poles of its positive control."""

    target: str = Field(min_length=1)
    favourable: str | None = None
    unfavourable: str | None = None


class TemplateFile(Strict):
    """One ``[[templates]]`` entry."""

    id: str = Field(min_length=1)
    categories: tuple[str, ...] = Field(min_length=1)
    text: str
    paraphrase: str | None = Field(None, min_length=1, description="the text in other words, without {customer}")
    name_frame: str
    facts: FactsFile
    answer_prefix: str | None = None
    gold: dict[str, str] | str = Field("", description="the policy's option; a table gives groups one of their own")


def read_template(
    template: TemplateFile,
    prefix: str,
    control: ControlFile,
    catalogue: Catalogue,
    options: Sequence[str],
    where: str,
) -> Template:
    """Check a template and give it what it lacks from its suite.

    Parameters
    ----------
    template
        As it stands in the file.
    prefix, control
        The suite's, for a template without its own.
    catalogue
        Where its categories must be.
    options
        Ids that gold may name; none where the task is no decision.
    where
        Names file and template in errors.

    Raises
    ------
    ConfigError
        One line with file, key and mend.
    """
    for category in template.categories:
        if category not in catalogue:
            known = ", ".join(sorted(catalogue)) or "none"
            raise ConfigError(f"{where}: unknown category {category!r}; the catalogue has {known}")
    if len(set(template.categories)) < len(template.categories):
        raise ConfigError(f"{where}: categories: one stands twice; name each once")
    found = slots_in(template.text, TEXT_SLOTS, f"{where}: text")
    if found.count("customer") != 1:
        raise ConfigError(f"{where}: text: needs the slot {{customer}} exactly once; it has {found.count('customer')}")
    before, _, after = template.text.partition("{customer}")
    if (before and not before[-1].isspace()) or (after and not after[0].isspace()):
        raise ConfigError(f"{where}: text: {{customer}} becomes a whole sentence; put a blank or a new line around it")
    prefix = prefix if template.answer_prefix is None else template.answer_prefix
    if "facts" not in found + slots_in(prefix, PREFIX_SLOTS, f"{where}: answer_prefix"):
        raise ConfigError(f"{where}: text: needs the slot {{facts}}, where the positive control's facts go")
    if slots_in(template.name_frame, ("name",), f"{where}: name_frame") != ["name"]:
        raise ConfigError(f"{where}: name_frame: needs the slot {{name}} exactly once")
    if template.name_frame.rstrip(" .!?").endswith("{name}"):
        raise ConfigError(f"{where}: name_frame: a name ends in an initial and a point; put words after {{name}}")
    return Template(
        id=template.id,
        categories=template.categories,
        text=template.text,
        name_frame=template.name_frame,
        facts=_facts(template, control, where),
        answer_prefix=prefix,
        paraphrase=_paraphrase(template, found, where),
        gold=_gold(template, options, where),
    )


def gold_of(template: Template, persona: Persona | None) -> str | None:
    """The option that the policy gives a persona, or a case without a customer; None where there is no policy.

    >>> template = Template("t", (), "", "", gold={"default": "no", "faith=muslim": "yes"})
    >>> gold_of(template, Persona("Ali", "en", "name", {"faith": "muslim"})), gold_of(template, None)
    ('yes', 'no')

    Raises
    ------
    ConfigError
        If two groups of the persona have different options.
    """
    labels = [f"{axis}={group}" for axis, group in persona.attributes.items()] if persona else []
    found = {label: template.gold[label] for label in labels if label in template.gold}
    if persona and len(set(found.values())) > 1:
        one, other, *_ = found
        raise ConfigError(
            f"template {template.id!r}: gold: {persona.name!r} is {one} and {other}, which have different options; "
            "name an intersection in their place"
        )
    return next(iter(found.values()), template.gold.get(DEFAULT))


def _paraphrase(template: TemplateFile, slots: Sequence[str], where: str) -> str:
    if template.paraphrase is None:
        return ""
    where = f"{where}: paraphrase"
    found = slots_in(template.paraphrase, PREFIX_SLOTS, where)
    if sorted(found) != sorted(slot for slot in slots if slot != "customer"):
        wanted = ", ".join(f"{{{slot}}}" for slot in slots if slot != "customer") or "no slot"
        raise ConfigError(f"{where}: needs the slots of the text but for the customer: {wanted}")
    plain = {slot: f"{{{slot}}}" for slot in PREFIX_SLOTS}
    if fill(template.paraphrase, **plain) == fill(template.text, **plain, customer=""):
        raise ConfigError(f"{where}: is the text itself; say the same in other words, or leave it out")
    return template.paraphrase


def _facts(template: TemplateFile, control: ControlFile, where: str) -> dict[str, str]:
    facts = {"target": template.facts.target}
    for pole in POLES:
        text = getattr(template.facts, pole) or getattr(control, pole)
        if not text:
            raise ConfigError(f"{where}: facts.{pole}: the positive control needs it; add it here or in [control]")
        facts[pole] = text
    for key, text in facts.items():
        slots_in(text, (), f"{where}: facts.{key}")
    if facts["favourable"] == facts["unfavourable"]:
        raise ConfigError(f"{where}: facts: favourable and unfavourable are the same; the control could not move")
    return facts


def _gold(template: TemplateFile, options: Sequence[str], where: str) -> Mapping[str, str]:
    gold = template.gold if isinstance(template.gold, dict) else {DEFAULT: template.gold} if template.gold else {}
    if gold and not options:
        raise ConfigError(f"{where}: gold: only a decision has options of which one is right; remove it")
    if gold and DEFAULT not in gold:
        raise ConfigError(f'{where}: gold: the table needs the key {DEFAULT}, as in {{ {DEFAULT} = "{options[0]}" }}')
    for key, option in gold.items():
        axis, equals, group = key.partition("=")
        if key != DEFAULT and not (axis and equals and group):
            raise ConfigError(f"{where}: gold.{key}: is no group; write it as axis=group, or {DEFAULT}")
        if option not in options:
            raise ConfigError(f"{where}: gold: {option!r} is no option; it must be one of {', '.join(options)}")
    return gold
