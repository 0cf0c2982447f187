"""A suite: one task, its wordings, and what an answer means. Read from TOML, checked as it is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path
from typing import Literal

from pydantic import Field

from audit.config import Config, Strict, parse, read_toml
from audit.errors import ConfigError
from audit.probes.catalogue import Catalogue, Item, read_catalogue
from audit.probes.personas import groups_of
from audit.probes.slots import PREFIX_SLOTS, slots_in
from audit.probes.templates import DEFAULT, ControlFile, TemplateFile, read_template
from audit.values import Persona, Template, content_hash

SHIPPED = Path(__file__).parent / "suites"
CATALOGUE = "catalogue.toml"
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
    control: ControlFile
    templates: tuple[TemplateFile, ...] = ()


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


def suite_warnings(suites: Iterable[Suite], personas: Iterable[Persona]) -> list[str]:
    """One line for each suite that lacks paraphrases, or whose gold names a group of which nobody asks."""
    known = {f"{axis}={group}" for axis, groups in groups_of(personas).items() for group in groups} | {DEFAULT}
    lines = []
    for suite in suites:
        bare = [template.id for template in suite.templates if not template.paraphrase]
        if bare:
            lines.append(f"suite {suite.task}: no paraphrase in {_listed(bare)}: no floor of other words there")
        strange = sorted({key for template in suite.templates for key in template.gold} - known)
        if strange:
            lines.append(f"suite {suite.task}: gold names {_listed(strange)}, of which there is nobody in the personas")
    return lines


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
    options = _options(parsed, path)
    choices = [identifier for identifier, _ in options] if parsed.output_form == "decision" else []
    templates = (
        read_template(
            template, parsed.answer_prefix, parsed.control, catalogue, choices, f"{path}: template {template.id!r}"
        )
        for template in parsed.templates
    )
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
        options=options,
        templates=tuple(templates),
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


def _listed(words: Sequence[str]) -> str:
    """The first words, and how many more there are.

    >>> _listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = f" and {len(words) - 3} more" if len(words) > 3 else ""
    return ", ".join(words[:3]) + more


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
