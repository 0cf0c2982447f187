"""privacy.json: what a fine-tuned model promises, how that was reached, and what it does not cover.

It lies beside the weights and names the SHA-256 of each of their files: a statement that stands beside other
weights is refused, and so are the weights, since its ε is not theirs. Neither a hash of the training file nor
the number of its records stands in it. Both are the data's own: who knows all records but one could try out the
last one against such a hash.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import ROUND_CEILING, Context
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, StrictBool, StrictInt, model_validator

from audit.backends.models import Source
from audit.config import Strict, parse
from audit.errors import ConfigError, first_line
from audit.manifest import file_hash, now
from audit.mitigation.not_covered import not_covered, said_of_earlier
from audit.mitigation.values import Clipping, Protects
from audit.tables import replacing

NAME: Final = "privacy.json"
VERSION: Final = 1
# What transformers and PEFT load weights from. Settings beside them (a scale, a base) change no private figure:
# what is done with weights after their training costs no privacy.
# An index says which files, so it counts as one.
_WEIGHTS: Final = (".safetensors", ".bin", ".index.json")
MEND: Final = "put the files back as they were saved, or remove privacy.json and promise nothing"

_Word = Annotated[str, Field(min_length=1)]
_Count = Annotated[StrictInt, Field(ge=1)]
_Real = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Spent = Annotated[
    float, Field(ge=0, allow_inf_nan=False)
]  # 0 where a tiny training spends less than an accountant sees
_Hashes = dict[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]]


class Accountant(Strict):
    """An accountant (and its package's version), and the ε that it gives for all steps that were paid."""

    name: _Word
    version: _Word
    epsilon: _Spent


class Sampled(Strict):
    """Poisson sampling with public constants, and what became of the steps.

    ``steps_paid`` are those that ε counts; ``steps_applied`` of them are in the weights, the others were lost in
    crashes and stay paid.
    """

    scheme: Literal["poisson"] = "poisson"
    sample_rate: float = Field(gt=0, le=1)
    divisor: _Real
    steps_planned: _Count
    steps_paid: _Count
    steps_applied: Annotated[StrictInt, Field(ge=0)]

    @model_validator(mode="after")
    def _planned_before_paid(self) -> Sampled:
        if self.steps_paid > self.steps_planned:
            raise ValueError("steps_paid: more than were planned; a training ends with the last planned step")
        if self.steps_applied > self.steps_paid:
            raise ValueError("steps_applied: more than were paid; every step is paid before it is taken")
        return self

    @property
    def steps_lost(self) -> int:
        """Steps that were paid and are not in the weights."""
        return self.steps_paid - self.steps_applied


class Promise(Strict):
    """(ε, δ) and all that it stands on.

    ``public_size`` is the number of units as it is given out; the number itself stays secret. ``copies`` are a
    record's counterfactual copies, which are clipped with it as one.
    """

    epsilon: _Spent
    delta: float = Field(gt=0, lt=1)
    adjacency: Literal["add or remove one unit"] = "add or remove one unit"
    unit: Protects
    rows_per_customer: _Count | None = None
    copies: Annotated[StrictInt, Field(ge=0)] = 0
    public_size: _Count
    accountants: tuple[Accountant, ...] = Field(min_length=1)
    sampling: Sampled
    noise_multiplier: _Real
    max_grad_norm: _Real
    clipping: Clipping

    @model_validator(mode="after")
    def _agrees(self) -> Promise:
        most = max(self.accountants, key=lambda found: found.epsilon)
        if self.epsilon < most.epsilon:
            raise ValueError(f"epsilon: lies below what {most.name} gives for the steps that were paid")
        if (self.unit == "customer") != (self.rows_per_customer is not None):
            raise ValueError("rows_per_customer: stands with the unit customer, and with no other")
        return self

    @property
    def unit_means(self) -> str:
        """What is protected, in words."""
        copies = "" if not self.copies else f" with its counterfactual copies (up to {self.copies})"
        if self.unit == "record":
            return f"one record{copies}"
        each = "" if not self.copies else f", each{copies}"
        return f"one customer with at most {self.rows_per_customer} records{each}; a record of nobody known is a unit"


class Trained(Strict):
    """What was trained: adapters of a rank, or every layer."""

    method: Literal["lora", "full"]
    rank: _Count | None = None
    parameters: _Count
    max_tokens: _Count


class Earlier(Strict):
    """A training that the base model had been through already; null where it promised nothing."""

    epsilon: _Spent | None
    delta: Annotated[float, Field(gt=0, lt=1)] | None
    unit: Protects | None
    seed: Literal["system", "given"]

    @model_validator(mode="after")
    def _whole(self) -> Earlier:
        if len({part is None for part in (self.epsilon, self.delta, self.unit)}) > 1:
            raise ValueError("epsilon, delta and unit: stand together, or none of them does")
        return self

    @property
    def private(self) -> bool:
        """Whether it promised anything."""
        return self.epsilon is not None


class Base(Strict):
    """The model from before, as evenhand or a hub names it; of a folder no more than its last name.

    ``earlier`` are the trainings that its own statement tells of, the first one first.
    """

    name: _Word
    revision: str | None = None
    earlier: tuple[Earlier, ...] = ()

    @classmethod
    def of(cls, source: Source) -> Base:
        """The base model that lies at ``source``.

        >>> Base.of(Source("models/shop", "models/shop")).name
        'shop'
        """
        folder, earlier = Path(source.name.removeprefix("hf:")), _earlier(statement_of(source))
        if folder.is_dir() or ":" not in source.name:
            return cls(name=folder.resolve().name or "model", earlier=earlier)
        return cls(name=source.name.partition("@")[0], revision=source.revision, earlier=earlier)

    @property
    def before(self) -> tuple[str, ...]:
        """What a promise for a training on this model leaves out, for the trainings before it; in sentences."""
        return said_of_earlier([one.private for one in self.earlier])


class PrivacyStatement(Strict):
    """All of privacy.json. ``promise`` is null where the training was not private.

    ``seed`` is "given" where the noise came from a number that a person chose. ``weights`` maps the files to their
    SHA-256; ``merged_from`` those of the adapters that these weights were merged from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = VERSION
    private: StrictBool
    promise: Promise | None
    trained: Trained
    base: Base
    seed: Literal["system", "given"]
    not_covered: tuple[str, ...]
    evenhand: _Word
    created: _Word
    weights: _Hashes = Field(default_factory=dict)
    merged_from: _Hashes | None = None

    @model_validator(mode="after")
    def _promises_what_it_says(self) -> PrivacyStatement:
        if self.private != (self.promise is not None):
            raise ValueError("promise: stands where private is true, and nowhere else")
        return self

    @property
    def in_words(self) -> str:
        """The promise in a sentence."""
        if self.promise is None:
            return "No promise of privacy: this model was trained without differential privacy."
        voided = " To whoever knows the seed it promises nothing." if self.seed == "given" else ""
        voided += "".join(f" {sentence}" for sentence in self.base.before)
        voided += "".join(
            f" {_pair(one)} for each {one.unit} was spent before." for one in self.base.earlier if one.private
        )
        return f"{_pair(self.promise)} differential privacy for {self.promise.unit_means}.{voided}"


def rounded_up(value: float, digits: int) -> str:
    """``value`` to so many digits, never less than it is: what is promised may not look better than what is kept.

    >>> rounded_up(0.00294352, 2), rounded_up(7.998, 3)
    ('0.003', '8')
    """
    return f"{float(Context(prec=digits, rounding=ROUND_CEILING).create_decimal(repr(value))):.{digits}g}"


def _pair(spent: Any) -> str:
    return f"(ε, δ) = ({rounded_up(spent.epsilon, 3)}, {rounded_up(spent.delta, 2)})"


def make_statement(
    *, promise: Promise | None, trained: Trained, base: Base, seed: Literal["system", "given"]
) -> PrivacyStatement:
    """Make the statement of a training that has ended; ``promise`` is None where it was not private."""
    return PrivacyStatement(
        private=promise is not None,
        promise=promise,
        trained=trained,
        base=base,
        seed=seed,
        not_covered=not_covered(
            None if promise is None else promise.unit, seed_given=seed == "given", earlier=base.before
        ),
        evenhand=metadata.version("evenhand"),
        created=now(),
    )


def write_statement(folder: Path, statement: PrivacyStatement) -> PrivacyStatement:
    """Write privacy.json into ``folder`` and tie it to the weights that lie there; return what was written.

    Raises
    ------
    ConfigError
        If there are no weights, or the folder cannot be written to.
    """
    weights = weight_hashes(folder)
    if not weights:
        raise ConfigError(f"{folder}: holds no weights that a statement could be about; save the model there first")
    sealed = statement.model_copy(update={"weights": weights})
    with replacing(folder / NAME) as temporary:
        temporary.write_text(sealed.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return sealed


def read_statement(folder: Path) -> PrivacyStatement | None:
    """Read the privacy.json of ``folder``; None where there is none. See :func:`check` for whether it belongs there.

    Raises
    ------
    ConfigError
        If it is there and cannot be read, is of another version, or a key is missing, unknown or of a wrong type.
    """
    path = folder / NAME
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if path.is_symlink():  # a link that leads nowhere
            raise ConfigError(f"{path}: is a link to nothing; {MEND}") from None
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); {MEND}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not JSON ({first_line(error)}); {MEND}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: not a privacy statement; {MEND}")
    _check_version(data, path)
    return parse(PrivacyStatement, data, str(path))


def check(folder: Path) -> PrivacyStatement | None:
    """Read the privacy.json of ``folder`` and see that it is of the weights there; None where there is none.

    Raises
    ------
    ConfigError
        If it cannot be read, or a weight file is another one, is gone, or is not named in it, or the model's config
        names weights that lie elsewhere.
    """
    statement = read_statement(folder)
    if statement is None:
        return None
    _check_not_redirected(folder, statement)
    there = weight_hashes(folder)
    for name in sorted(there.keys() | statement.weights.keys()):
        if there.get(name) != statement.weights.get(name):
            raise ConfigError(
                f"{folder / NAME}: does not belong to these weights: {_how(name, there, statement.weights)}; "
                f"{'do not use its epsilon; ' if statement.private else ''}{MEND}"
            )
    return statement


def weight_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each weight file of ``folder`` and of their index, by name; what ``sha256sum`` gives."""
    files = sorted(path for path in folder.iterdir() if path.name.endswith(_WEIGHTS) and path.is_file())
    return {path.name: str(file_hash(path)) for path in files}


def statement_of(source: Source) -> PrivacyStatement | None:
    """Read the statement of a model in a folder or on a hub; None where there is none.

    See :func:`check` for whether it belongs to the weights, which a hub's need not be there for yet.

    Raises
    ------
    ConfigError
        If it is there and cannot be read.
    """
    folder = folder_of(source)
    return None if folder is None else read_statement(folder)


def folder_of(source: Source) -> Path | None:
    """The folder of a model; of one on a hub that in the hub's cache, or None where it has no statement.

    The statement is fetched where it is not in the cache. Where the hub cannot be reached there is none.
    """
    folder = Path(source.where)
    if folder.is_dir():
        return folder
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(source.where, NAME, revision=source.revision)).parent
    except (OSError, ValueError):  # of no such file, repository or revision, of no network, of no hub's name
        return None


def _earlier(statement: PrivacyStatement | None) -> tuple[Earlier, ...]:
    if statement is None:
        return ()
    promise = statement.promise
    own = Earlier(
        epsilon=None if promise is None else promise.epsilon,
        delta=None if promise is None else promise.delta,
        unit=None if promise is None else promise.unit,
        seed=statement.seed,
    )
    return (*statement.base.earlier, own)


def _check_not_redirected(folder: Path, statement: PrivacyStatement) -> None:
    """Refuse a config that has transformers load other files than those whose hashes are stated."""
    path = folder / "config.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # whoever loads the model says so
        return
    named = data.get("transformers_weights") if isinstance(data, dict) else None
    if named is not None and named not in statement.weights:
        raise ConfigError(f"{path}: transformers_weights: names weights that {NAME} is not of; {MEND}")


def _how(name: str, there: Mapping[str, str], stated: Mapping[str, str]) -> str:
    if name not in there:
        return f"{name} is not there"
    return f"{name} has another SHA-256" if name in stated else f"{name} is not named in it"


def _check_version(data: Mapping[str, Any], path: Path) -> None:
    version = data.get("version")
    if version != VERSION or isinstance(version, bool):
        is_it = repr(version) if isinstance(version, int | None) else "no whole number"
        raise ConfigError(
            f"{path}: version: is {is_it:.40}, and this evenhand reads {VERSION}; read it with the one that wrote it"
        )
