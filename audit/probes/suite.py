"""A suite: one task, its wordings, and what an answer means. Read from TOML, checked as it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path
from typing import Literal

from pydantic import Field

from audit.config import Config, Strict, parse, read_toml
from audit.errors import ConfigError
from audit.probes.catalogue import Catalogue, Item, read_catalogue
from audit.probes.slots import PREFIX_SLOTS, TEXT_SLOTS, slots_in
from audit.values import Template, content_hash

SHIPPED = Path(__file__).parent / "suites"
CATALOGUE = "catalogue.toml"
POLES = ("favourable", "unfavourable")
Harm = Literal["allocation", "quality of service", "stereotyping", "erasure"]


@dataclass(frozen=True, slots=True)
class Suite:
    """One task of one locale.

    ``options`` are (id, surface forms); of a decision the favourable one is first,
    of a number the only one is ``number`` with the forms (minimum, maximum).
    ``threshold`` is in ``unit``. ``answer_prefix`` begins the answer of a template
    that has none of its own. ``digest`` is the hash of the file's content.
    """

    task: str
    locale: str
    version: str
    title: str
    asks: str
    harm: tuple[str, ...]
    harm_note: str
    output_form: str
    judged: bool
    system: str
    answer_prefix: str
    favourable: str | None
    unit: str | None
    threshold: float | None
    control_metric: str
    options: tuple[tuple[str, tuple[str, ...]], ...]
    templates: tuple[Template, ...]
    catalogue: Catalogue
    digest: str

    @property
    def name(self) -> str:
        """Locale, task and version, as they stand in the probes table."""
        return f"{self.locale}/{self.task}@{self.version}"


class _OptionFile(Strict):
    id: str = Field(min_length=1)
    forms: tuple[str, ...] = Field(min_length=1)


class _NumberFile(Strict):
    minimum: int = Field(ge=0)
    maximum: int
    threshold: float


class _ControlFile(Strict):
    metric: str
    favourable: str | None = None
    unfavourable: str | None = None


class _FactsFile(Strict):
    target: str = Field(min_length=1)
    favourable: str | None = None
    unfavourable: str | None = None


class _TemplateFile(Strict):
    id: str = Field(min_length=1)
    categories: tuple[str, ...] = Field(min_length=1)
    text: str
    name_frame: str
    facts: _FactsFile
    answer_prefix: str | None = None


class _SuiteFile(Strict):
    task: str = Field(min_length=1)
    locale: str = Field(min_length=1)
    version: str = Field(min_length=1)
    title: str
    asks: str
    harm: tuple[Harm, ...] = Field(min_length=1)
    harm_note: str = ""
    output_form: Literal["decision", "number", "text"]
    judged: bool = False
    system: str = ""
    answer_prefix: str = ""
    favourable: str | None = None
    unit: str | None = None
    number: _NumberFile | None = None
    options: tuple[_OptionFile, ...] = ()
    control: _ControlFile
    templates: tuple[_TemplateFile, ...] = ()


def load_suites(config: Config) -> tuple[Suite, ...]:
    """Read the suites of ``config.run.locale``, sorted by task.

    The shipped suites, and those that ``config.run.suites`` names: one with the
    task of a shipped suite stands in its place. ``catalogue.toml`` files give the
    categories; a category of the user's replaces a shipped one of the same id.

    Raises
    ------
    ConfigError
        For each mistake in a file, an unknown task, a locale without suites.
    """
    locale = config.run.locale
    shipped = sorted((SHIPPED / locale).glob("*.toml"))
    own = [file for path in config.run.suites for file in _files(path)]
    catalogue: dict[str, tuple[Item, ...]] = {}
    for file in (*shipped, *own):
        if file.name == CATALOGUE:
            catalogue |= read_catalogue(file, locale)
    suites: dict[str, Suite] = {}
    for files in (shipped, own):
        found: dict[str, Suite] = {}
        for file in files:
            suite = None if file.name == CATALOGUE else read_suite(file, catalogue, locale)
            if suite and suite.task in found:
                raise ConfigError(f"{file}: task {suite.task!r} stands in another of your suites; rename one")
            if suite:
                found[suite.task] = suite
        suites |= found
    return _chosen(suites, config)


def read_suite(path: Path, catalogue: Catalogue, locale: str) -> Suite | None:
    """Read one suite file; None if it is of another locale.

    Raises
    ------
    ConfigError
        One line with file, key and mend.
    """
    data = read_toml(path)
    parsed = parse(_SuiteFile, data, str(path))
    if parsed.locale != locale:
        return None
    if not parsed.templates:
        raise ConfigError(f"{path}: templates: the suite has no templates; add a [[templates]]")
    slots_in(parsed.system, (), f"{path}: system")
    slots_in(parsed.answer_prefix, PREFIX_SLOTS, f"{path}: answer_prefix")
    ids = [template.id for template in parsed.templates]
    for identifier in ids:
        if ids.count(identifier) > 1:
            raise ConfigError(f"{path}: template {identifier!r} stands twice; give each an id of its own")
    return Suite(
        task=parsed.task,
        locale=parsed.locale,
        version=parsed.version,
        title=parsed.title,
        asks=parsed.asks,
        harm=parsed.harm,
        harm_note=parsed.harm_note,
        output_form=parsed.output_form,
        judged=parsed.judged,
        system=parsed.system.strip(),
        answer_prefix=parsed.answer_prefix,
        favourable=parsed.favourable,
        unit=parsed.unit,
        threshold=parsed.number.threshold if parsed.number else None,
        control_metric=parsed.control.metric,
        options=_options(parsed, path),
        templates=tuple(_template(template, parsed, catalogue, path) for template in parsed.templates),
        catalogue=catalogue,
        digest=content_hash(data),
    )


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.toml"))
    if not files:
        raise ConfigError(f"run.suites: {path} has no .toml file; put a suite in it or name another folder")
    return files


def _chosen(suites: dict[str, Suite], config: Config) -> tuple[Suite, ...]:
    if not suites:
        locales = ", ".join(sorted(folder.name for folder in SHIPPED.iterdir() if folder.is_dir()))
        raise ConfigError(
            f"run.locale: there is no suite for {config.run.locale!r}; shipped are {locales}, others go in run.suites"
        )
    for task in config.run.tasks:
        if task not in suites:
            raise ConfigError(f"run.tasks: unknown task {task!r}; known are {', '.join(sorted(suites))}")
    chosen = tuple(suites[task] for task in sorted(suites) if not config.run.tasks or task in config.run.tasks)
    owners: dict[str, str] = {}
    for suite in chosen:
        for template in suite.templates:
            # A template is a cluster, and block ids rest on its id: it must mean one wording in the whole run.
            if owners.setdefault(template.id, suite.task) != suite.task:
                raise ConfigError(
                    f"suite {suite.task}: template {template.id!r} is also in suite {owners[template.id]}; rename one"
                )
    return chosen


def _options(parsed: _SuiteFile, path: Path) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if parsed.output_form == "number":
        if parsed.number is None:
            raise ConfigError(f"{path}: number: a suite that asks for a number needs its range; add [number]")
        low, high = parsed.number.minimum, parsed.number.maximum
        if not low < high:
            raise ConfigError(f"{path}: number.maximum: {high} is not above the minimum {low}; raise it")
        if not low <= parsed.number.threshold <= high:
            raise ConfigError(f"{path}: number.threshold: {parsed.number.threshold} is outside {low} to {high}")
        return (("number", (str(low), str(high))),)
    if parsed.output_form == "text":
        return ()
    ids = [option.id for option in parsed.options]
    if len(set(ids)) < 2 or len(set(ids)) < len(ids):
        raise ConfigError(f"{path}: options: a decision needs two or more different options; add [[options]]")
    if parsed.favourable not in ids:
        raise ConfigError(f"{path}: favourable: {parsed.favourable!r} is no option; it must be one of {', '.join(ids)}")
    forms = [form for option in parsed.options for form in option.forms]
    for form in forms:
        if not form.strip() or forms.count(form) > 1:
            raise ConfigError(f"{path}: options: the form {form!r} is empty or stands twice; each must mean one option")
    _check_apart(parsed.options, path)
    ordered = sorted(parsed.options, key=lambda option: option.id != parsed.favourable)
    return tuple((option.id, option.forms) for option in ordered)


def _check_apart(options: Sequence[_OptionFile], path: Path) -> None:
    for first, second in permutations(options, 2):
        for short, long in product(first.forms, second.forms):
            begun, whole = short.strip(), long.strip()
            # "No" begins "No, thanks" in any tokens; whether it begins "None" is the model's affair.
            if whole.startswith(begun) and not whole[len(begun) :][:1].isalnum():
                raise ConfigError(
                    f"{path}: options: the form {short!r} of {first.id!r} begins {long!r} of {second.id!r}; reword one"
                )


def _template(template: _TemplateFile, suite: _SuiteFile, catalogue: Catalogue, path: Path) -> Template:
    where = f"{path}: template {template.id!r}"
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
    prefix = suite.answer_prefix if template.answer_prefix is None else template.answer_prefix
    found += slots_in(prefix, PREFIX_SLOTS, f"{where}: answer_prefix")
    if "facts" not in found:
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
        facts=_facts(template, suite, where),
        answer_prefix=prefix,
    )


def _facts(template: _TemplateFile, suite: _SuiteFile, where: str) -> dict[str, str]:
    facts = {"target": template.facts.target}
    for pole in POLES:
        text = getattr(template.facts, pole) or getattr(suite.control, pole)
        if not text:
            raise ConfigError(f"{where}: facts.{pole}: the positive control needs it; add it here or in [control]")
        facts[pole] = text
    for key, text in facts.items():
        slots_in(text, (), f"{where}: facts.{key}")
    if facts["favourable"] == facts["unfavourable"]:
        raise ConfigError(f"{where}: facts: favourable and unfavourable are the same; the control could not move")
    return facts
