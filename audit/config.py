"""evenhand.toml: what a person may set, checked as it is read.

The file is ``evenhand.toml`` or the table ``[tool.evenhand]`` of a pyproject.toml.
Every mistake is one :class:`~audit.errors.ConfigError` that names file, key and mend.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from audit.errors import ConfigError

Precision = Literal["float32", "bfloat16", "float16"]
M = TypeVar("M", bound=BaseModel)


class Strict(BaseModel):
    """Base of what is read from a file: unknown keys are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelConfig(Strict):
    """[model]: which model answers, and how precisely."""

    name: str = Field(
        "embedded:smollm2",
        min_length=1,
        description="embedded:smollm2, hf:ORG/NAME[@REVISION], a folder, or planted:SPEC",
    )
    decision_precision: Precision = Field("float32", description="precision of decisions and numbers")
    text_precision: Precision | Literal["auto"] = Field("auto", description="precision of sampled texts")
    batch_tokens: int = Field(1536, ge=64, description="tokens in one forward pass when decisions are read")
    batch_size: int = Field(64, ge=1, description="texts sampled side by side")
    threads: int | None = Field(None, ge=1, description="processor threads; all cores when not set")
    prompt: str | None = Field(None, min_length=1, description="a named system prompt that is put before every probe")


class RunConfig(Strict):
    """[run]: what is asked."""

    seed: int = Field(0, ge=0, description="seed of the sample of texts and of the sampling noise")
    locale: str = "en"
    tasks: tuple[str, ...] = Field((), description="tasks to ask; all of the locale when empty")
    suites: tuple[Path, ...] = Field((), description="folders or files with suites of your own")
    personas: Path | None = Field(None, description="a persona file of your own, in place of the shipped one")
    categories_per_template: int = Field(1, ge=0, description="categories in which each wording is asked; 0 means all")
    sample: int = Field(180, ge=0, description="target probes of each text task, a balanced sample; 0 means all")
    draws: int = Field(1, ge=1, description="texts sampled for each probe")
    manipulation: bool = Field(True, description="also ask which group the model takes each name to be of")
    max_new_tokens: int = Field(48, ge=1)
    temperature: float = Field(0.7, gt=0)
    top_p: float = Field(1.0, gt=0, le=1)
    until_verdict: Literal["no", "looks", "steps"] = Field(
        "no", description="ask everything, or stop each rule at a pre-planned look, or at a step of fresh stimuli"
    )
    budget: int | None = Field(None, ge=1, description="the most probes to ask, with until_verdict")
    number_mass: float = Field(0.99, gt=0, lt=1, description="probability to resolve when a number is read exactly")

    @model_validator(mode="after")
    def _budget_for_a_purpose(self) -> RunConfig:
        if self.budget is not None and self.until_verdict == "no":
            raise ValueError("budget is for runs that stop early; add until_verdict (--until-verdict), or leave it out")
        return self


class RuleConfig(Strict):
    """[[gate.rules]]: a signed gap that must stay within a tolerance, or a ratio of means that must stay near 1."""

    name: str = Field(min_length=1)
    task: str
    metric: str
    axis: str
    tolerance: float | None = Field(None, gt=0, description="in the unit of the metric")
    ratio: float | None = Field(
        None, gt=0, lt=1, description="in place of a tolerance: the means' ratio stays between it and 1/it"
    )
    level: Literal["off", "warn", "error"] = "error"
    group: str | None = None
    cue_channel: str | None = None

    @model_validator(mode="after")
    def _one_limit(self) -> RuleConfig:
        if (self.tolerance is None) == (self.ratio is None):
            both = "has both a tolerance and a ratio; leave one of them out"
            none = "has no limit; add tolerance, in the unit of its metric, or ratio, such as 0.8"
            raise ValueError(f"rule {self.name!r} {none if self.ratio is None else both}")
        if self.ratio is not None and ":" in self.metric:
            raise ValueError(f"a ratio is of the metric's own means; name metric {self.metric.partition(':')[0]!r}")
        return self


class PrivacyRuleConfig(Strict):
    """[[gate.privacy]]: a figure of the privacy audit that must not lie above a maximum."""

    name: str = Field(min_length=1)
    metric: str
    maximum: float | None = Field(
        None, ge=0, description="in the unit of the metric; of epsilon_lower_bound the claimed epsilon when not set"
    )
    minus: Literal["base", "held_out", "not_inserted"] | None = Field(
        None, description="judge what lies above this control in place of the whole"
    )
    axis: str | None = None
    group: str | None = Field(None, description="of authors; every group of the axis when not set")
    level: Literal["off", "warn", "error"] = "error"

    @model_validator(mode="after")
    def _limited(self) -> PrivacyRuleConfig:
        if self.maximum is None and self.metric != "epsilon_lower_bound":
            raise ValueError(f"rule {self.name!r} has no limit; add maximum, in the unit of its metric")
        if self.group is not None and self.axis is None:
            raise ValueError(f"rule {self.name!r} names a group without its axis; add axis")
        return self


class GateConfig(Strict):
    """[gate]: what may be concluded, and what stops a release."""

    preset: Literal["default", "none"] = "default"
    alpha: float = Field(0.05, gt=0, lt=0.5)
    min_templates: int = Field(12, ge=2)
    min_personas: int = Field(10, ge=2)
    min_answer_mass: float = Field(
        0.1, ge=0, lt=1, description="below it the answers read are not what the model would say"
    )
    rules: tuple[RuleConfig, ...] = ()
    privacy: tuple[PrivacyRuleConfig, ...] = ()

    @model_validator(mode="after")
    def _names_once(self) -> GateConfig:
        names = [*(rule.name for rule in self.rules), *(rule.name for rule in self.privacy)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rules are named {twice[0]!r}; give each a name of its own")
        return self


class ColumnsConfig(Strict):
    """[privacy.columns]: where a file's records keep what is read of them."""

    text: tuple[str, ...] = Field((), description="one or more columns, joined by a line break")
    id: str | None = None
    customer: str | None = Field(None, description="who wrote the record; never stored as it stands")
    turns: str | None = Field(None, description="a list of {role, content}, in place of a text")
    groups: dict[str, str] = Field(default_factory=dict, description="axis = column with the author's group")
    identifiers: dict[str, str] = Field(default_factory=dict, description="TYPE = column with the author's own value")


class PrivacyConfig(Strict):
    """[privacy]: what a model was trained on, and how it is asked for it."""

    base: str | None = Field(None, description="the model before its training, named as in [model]")
    members: Path | None = Field(None, description="the file that the model was trained on")
    held_out: Path | None = Field(None, description="records of the same kind that it was not trained on")
    ledger: Path | None = Field(None, description="what 'evenhand privacy plant' wrote beside the training file")
    layout: str = Field("auto", description="amazon-2018, amazon-2023, yelp, tickets, chats, generated, columns")
    columns: ColumnsConfig = ColumnsConfig()
    on_bad: Literal["skip", "fail"] = Field("skip", description="what to do with a line that is no record")
    claimed_epsilon: float | None = Field(None, gt=0, description="the epsilon that the training claims")
    claimed_delta: float = Field(1e-5, ge=0, lt=1)
    max_records: int = Field(2000, ge=0, description="records of each side that are looked at, drawn at random; 0: all")
    max_tokens: int = Field(256, ge=8, description="tokens of a record that are read")
    prefix: int = Field(50, ge=1, description="tokens of a record that the attacker is given")
    suffix: int = Field(50, ge=1, description="tokens after them that must come back")
    n: int = Field(1000, ge=1, description="samples that an attacker draws")
    p: float = Field(0.5, gt=0, lt=1, description="probability that one of them is the secret")
    fpr: float = Field(0.01, gt=0, lt=0.5, description="false positive rate of the attacks")
    beta: float = Field(0.05, gt=0, lt=0.5, description="how often the empirical epsilon may be too large")
    generations: int = Field(400, ge=0, description="texts that are searched for personal information")
    prompts: Path | None = Field(None, description="prompts of your own for them, in place of the shipped ones")


class FinetuneConfig(Strict):
    """[finetune]: what a model is trained on, and what of it is promised to stay private."""

    train: Path | None = Field(None, description="records to train on; layout and columns are those of [privacy]")
    private: bool = Field(True, description="differentially private; false trains without any promise")
    epsilon: float | None = Field(None, gt=0, description="what may be spent; 8 where no noise_multiplier is given")
    delta: float | Literal["auto"] = Field("auto", description="auto: 1 / public_size^1.1")
    noise_multiplier: float | None = Field(None, gt=0, description="in place of epsilon: noise in units of the norm")
    unit: Literal["record", "customer"] = Field("record", description="what is protected")
    rows_per_customer: int = Field(8, ge=1, description="records of one customer that are trained on, with that unit")
    public_size: int | None = Field(
        None, ge=1, description="number of units that may be known; two leading digits of theirs when not set"
    )
    method: Literal["lora", "full"] = Field("lora", description="low-rank adapters, or every layer")
    rank: int = Field(16, ge=1, description="of the adapters")
    clipping: Literal["bookkeeping", "hooks", "ghost"] = Field("bookkeeping", description="how each unit is clipped")
    max_grad_norm: float = Field(1.0, gt=0, description="clipping norm C of a unit's gradient")
    batch_size: int = Field(64, ge=1, description="units that a step is expected to take")
    epochs: float = Field(3.0, gt=0, description="how often a unit is expected to be taken")
    steps: int | None = Field(None, ge=1, description="in place of epochs")
    learning_rate: float | None = Field(None, gt=0, description=" 1e-3 for adapters and 1e-4 for every layer")
    max_tokens: int = Field(256, ge=8, description="tokens of a text that are trained on")
    physical_batch: int = Field(8, ge=1, description="units in one forward pass; does not change what is learnt")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of frozen weights; what is trained, clipped and noised is float32"
    )
    augment: tuple[str, ...] = Field((), description="axes along which counterfactual copies are made, or all")
    copies: int = Field(1, ge=1, description="counterfactual copies of a record")
    seed: int | None = Field(None, ge=0, description="for studies: whoever knows it can take the noise off again")


class MitigationConfig(Strict):
    """[mitigation]: which variants are trained, and what they are compared by."""

    epsilons: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = Field(
        (8.0,), min_length=1, description="each gives a dp and a dp+cda variant"
    )
    variants: tuple[Literal["base", "ft", "ft+cda", "dp", "dp+cda"], ...] = ("base", "ft", "ft+cda", "dp", "dp+cda")
    prompts: tuple[str, ...] = Field((), description="named system prompts, each put before the base model")
    augment: tuple[str, ...] = Field(("all",), description="axes of the variants with counterfactual copies")
    fairness: bool = Field(True, description="audit each variant's answers, as [run] says")
    privacy: bool = Field(True, description="audit what each variant learnt by heart, as [privacy] says")


class Config(Strict):
    """The whole of evenhand.toml."""

    model: ModelConfig = ModelConfig()
    run: RunConfig = RunConfig()
    privacy: PrivacyConfig = PrivacyConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    mitigation: MitigationConfig = MitigationConfig()
    reference: dict[str, str] = Field(
        default_factory=dict, description="axis = group that the others are compared with"
    )
    gate: GateConfig = GateConfig()

    def changed(self, section: str, **values: Any) -> Config:
        """Return a copy with ``values`` in ``section``, checked; None values are left alone."""
        values = {key: value for key, value in values.items() if value is not None}
        data = self.model_dump()
        data[section] |= values
        return parse(Config, data, "the command line")


def load_config(path: Path | None = None) -> Config:
    """Read the config at ``path``, or the one of this folder, or the defaults.

    Raises
    ------
    ConfigError
        If the file is absent though named, is not UTF-8 or not TOML, or a key or
        value is not known.
    """
    path = path or config_here()
    if path is None:
        return Config()
    data = read_toml(path)
    if path.name == "pyproject.toml":
        data = data.get("tool", {}).get("evenhand", {})
    config = parse(Config, data, str(path))
    return _relative_to(config, path.parent)


def config_here() -> Path | None:
    """Find the config of this folder: evenhand.toml, or a pyproject.toml with [tool.evenhand]."""
    if Path("evenhand.toml").is_file():
        return Path("evenhand.toml")
    project = Path("pyproject.toml")
    if project.is_file() and "evenhand" in read_toml(project).get("tool", {}):
        return project
    return None


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file, with one clear error for what can be wrong with it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file; check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file, with one clear error for what can be wrong with it."""
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file; check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error


def parse(model: type[M], data: Mapping[str, Any], where: str) -> M:
    """Build ``model`` from ``data``; the first mistake becomes one line about ``where``."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_describe(model, error)}") from error


def _describe(model: type[BaseModel], error: ValidationError) -> str:
    found = error.errors()
    # A misspelt key shows as unknown and as missing: the unknown one tells more.
    first = next((item for item in found if item["type"] == "extra_forbidden"), found[0])
    key = ".".join(str(part) for part in first["loc"]) or "the file"
    if first["type"] == "extra_forbidden":
        known = _keys_at(model, first["loc"][:-1])
        close = difflib.get_close_matches(str(first["loc"][-1]), known, 1)
        mend = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
        return f"{key}: unknown key; {mend}"
    if first["type"] == "missing":
        return f"{key}: this key is required; add it"
    message = first["msg"].removeprefix("Value error, ")
    if key == "the file":
        return message
    value = first.get("input")
    if isinstance(value, dict):  # a table breaks a rule on its keys together, which the message names
        return f"{key}: {message}"
    shown = "" if model.model_config.get("hide_input_in_errors") else f" (it is {value!r:.80})"
    return f"{key}: {message[0].lower()}{message[1:]}{shown}"


def _keys_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The keys that stand beside an unknown one."""
    current: Any = model
    for part in path:
        if isinstance(part, int):
            continue
        annotation = current.model_fields[part].annotation
        nested = [annotation, *getattr(annotation, "__args__", ())]
        current = next((kind for kind in nested if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if current is None:
            return []
    return sorted(current.model_fields)


def _relative_to(config: Config, folder: Path) -> Config:
    """Paths in a file are meant from the file's own folder."""
    run = config.run
    personas = folder / run.personas if run.personas else None
    suites = tuple(folder / path for path in run.suites)
    return config.model_copy(update={"run": run.model_copy(update={"personas": personas, "suites": suites})})
