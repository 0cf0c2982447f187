"""Fine-tuning from the config to a model with its statement, in one folder that it can go on in.

budget.jsonl    what was spent, a line a step; see :mod:`audit.mitigation.spending`
checkpoint.pt   what a killed training goes on from
training.json   the settings that made it
model/          the trained model, its privacy statement and its card
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audit.backends import models
from audit.config import Config
from audit.errors import ConfigError, first_line
from audit.manifest import now, versions
from audit.mitigation import checkpoints, spending, statement
from audit.mitigation.data import Corpus, collate, read_corpus
from audit.mitigation.distributed import World, joined
from audit.mitigation.keys import Keys
from audit.mitigation.sampling import PoissonBatches
from audit.mitigation.saving import save
from audit.mitigation.values import Batch, PrivacyBudget, Sampling, Unit
from audit.progress import Progress, Silent
from audit.tables import replacing
from audit.values import content_hash

if TYPE_CHECKING:
    from audit.mitigation.dp_sgd import Engine
    from audit.mitigation.plan import TrainingPlan

MODEL: Final = "model"
_NOTE: Final = "training.json"
# What does not change what is learnt or promised.
_FREE: Final = {"physical_batch"}
# Batches that the pre-flight looks at.
_LOOKED_AT: Final = 200
# Units of which so few are left that two leading digits are all.
_FEW: Final = 100


@dataclass(frozen=True, slots=True)
class Terms:
    """What a training promises and how: all of it public, none of it read off the batches."""

    public_size: int
    sampling: Sampling
    delta: float
    noise_multiplier: float  # 0 where nothing is promised
    epsilon: float | None
    rate: float


def terms(config: Config, units: int) -> Terms:
    """Work out noise, sampling and ε for so many ``units``, of which only two leading digits count.

    Raises
    ------
    ConfigError
        If both ε and a noise multiplier are given, or the budget cannot be kept.
    """
    from audit.mitigation import accounting

    settings = config.finetune
    if settings.private and settings.public_size is None and units < _FEW:
        raise ConfigError(
            f"finetune.public_size: with fewer than {_FEW} {settings.unit}s their very number tells of one; "
            "name a number that may be known with --public-size"
        )
    size = settings.public_size or accounting.public_size(units)
    rate = settings.learning_rate or (1e-3 if settings.method == "lora" else 1e-4)
    share = min(1.0, settings.batch_size / size)
    sampling = Sampling(share, settings.steps or math.ceil(settings.epochs / share), share * size)
    delta = _delta(config, accounting.auto_delta(size))
    accounting.check_delta(delta, max(size, units))
    if not settings.private:
        return Terms(size, sampling, delta, 0.0, None, rate)
    if settings.noise_multiplier is not None:
        if settings.epsilon is not None:
            raise ConfigError("finetune.epsilon: is given beside noise_multiplier, which decides it; leave one out")
        noise = settings.noise_multiplier
    else:
        noise = accounting.noise_for(
            PrivacyBudget(8.0 if settings.epsilon is None else settings.epsilon, delta), sampling
        )
    spent = accounting.cross_checked([(noise, sampling.sample_rate, sampling.steps)], delta)
    return Terms(size, sampling, delta, noise, spent.epsilon, rate)


def _delta(config: Config, auto: float) -> float:
    """The δ of the promise; "auto" is not above that at which planted canaries can refute it."""
    from audit.privacy.planting import read_ledger

    if config.finetune.delta != "auto":
        return config.finetune.delta
    planted = read_ledger(config.privacy.ledger).delta if config.privacy.ledger else None
    return min(auto, planted) if planted else auto


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model ready to be trained, and on what."""

    config: Config
    keys: Keys
    model: Any
    tokenizer: Any
    corpus: Corpus
    terms: Terms
    engine: Engine
    parameters: Mapping[str, Any]
    collate: Callable[[Sequence[Unit]], Batch]

    @property
    def pays(self) -> bool:
        """Whether steps are paid for: something is promised."""
        return self.config.finetune.private

    def header(self) -> dict[str, Any]:
        """What a training that goes on must agree with."""
        terms, settings = self.terms, self.config.finetune
        asked = settings.model_dump(mode="json", exclude=_FREE | {"train"})
        return {
            "unit": settings.unit,
            "sample_rate": terms.sampling.sample_rate,
            "steps": terms.sampling.steps,
            "divisor": terms.sampling.divisor,
            "max_grad_norm": settings.max_grad_norm,
            "noise_multiplier": terms.noise_multiplier,
            "delta": terms.delta,
            "settings": content_hash([self.config.model.name, asked], 16),
            "data": content_hash(self.corpus.fingerprint(), 16),
        }


def prepare(config: Config, world: World | None = None, *, before: int = 0) -> Prepared:
    """Load the model, read the records, work out the terms, and wire the engine that clips.

    In several processes all have the first one's keys and adapters. ``before`` is how many trainings were begun
    before in the same folder.

    Raises
    ------
    ConfigError
        If any of it is wrong.
    """
    import torch

    from audit.mitigation.clipping import engine_for
    from audit.mitigation.plain import PlainEngine
    from audit.mitigation.prepare import load_for_training, trained_parameters

    world, settings = world or World(), config.finetune
    keys = world.share(Keys.of(settings.seed, before))
    model, tokenizer = load_for_training(config.model.name, settings, keys.start())
    corpus = read_corpus(config, tokenizer)
    agreed = terms(config, len(corpus.units))
    parameters = trained_parameters(model)
    world.align(parameters)
    optimiser = torch.optim.AdamW(list(parameters.values()), lr=agreed.rate, weight_decay=0.0, fused=True)
    engine: Engine
    if world.size > 1 and not settings.private:
        raise ConfigError(
            "finetune.private: is false, and a training without a promise runs in one process; leave out torchrun"
        )
    if settings.private:
        engine = engine_for(
            model,
            optimiser,
            clipping=settings.clipping,
            max_grad_norm=settings.max_grad_norm,
            noise_multiplier=agreed.noise_multiplier,
            divisor=agreed.sampling.divisor,
            distributed=world.size > 1,
        )
    else:
        engine = PlainEngine(model, optimiser, max_grad_norm=settings.max_grad_norm, divisor=agreed.sampling.divisor)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0
    device = str(next(iter(parameters.values())).device)
    reads = partial(collate, pad=int(pad), device=device)
    return Prepared(config, keys, model, tokenizer, corpus, agreed, engine, parameters, reads)


def finetune(
    config: Config,
    out: Path,
    *,
    progress: Progress | None = None,
    fresh: bool = False,
    command: str = "",
) -> Path:
    """Train as ``config.finetune`` says; return the folder of the trained model.

    Goes on where it was stopped or killed when it is called again with the same settings and records.

    Parameters
    ----------
    out
        The training's folder.
    fresh
        Begin anew. What an earlier training in the folder spent stays on record.

    Raises
    ------
    ConfigError
        If anything in the config or the records is wrong, the folder holds another training, or the pre-flight finds
        that a unit could move the sum by more than is promised.
    KeyboardInterrupt
        If it was asked to stop; the same call goes on from there.
    """
    if not_a_folder := next((place for place in (out, *out.parents) if place.exists() and not place.is_dir()), None):
        raise ConfigError(f"{not_a_folder}: is a file; name a folder with --out")
    with joined() as world:
        progress = progress if progress is not None and world.writes else Silent()
        began = time.monotonic()
        progress.begin("model", 0)
        ready = prepare(config, world, before=spending.begun(out, fresh=fresh))
        progress.end("model", time.monotonic() - began, False)
        for note in (*ready.corpus.notes, *_trained_before(config)):
            progress.warn(note)
        header = ready.header()
        world.check_same(header, "settings and records")
        if fresh and world.writes:
            _set_aside(out)
        for note in _earlier(out, ready.terms.delta) if ready.pays else ():
            progress.warn(note)
        world.wait()
        if world.share(_finished(out, header) if world.writes else False):
            progress.end("train", 0.0, True)
            return out / MODEL
        began = time.monotonic()
        progress.begin("preflight", 0)
        _check(ready)
        progress.end("preflight", time.monotonic() - began, False)
        world.wait()
        if world.writes:
            _begin(out, header, command)
        with _held(ready, out, header, world) as ledger:
            paid = world.share(ledger.paid if ledger is not None else None)
            applied = _train(ready, out, ledger, start=paid, world=world, progress=progress)
            if world.writes:
                _leave(ready, out, ledger.paid if ledger is not None else None, applied)
        world.wait()
    return out / MODEL


@contextmanager
def _held(ready: Prepared, out: Path, header: Mapping[str, Any], world: World) -> Iterator[spending.Spending | None]:
    """Hold the folder against other trainings, with its ledger where something is promised."""
    if not world.writes:
        yield None
    elif ready.pays:
        with spending.open_or_begin(out, header) as ledger:
            yield ledger
    else:
        lock = spending.locked(out)
        try:
            yield None
        finally:
            lock.release()


def _trained_before(config: Config) -> tuple[str, ...]:
    """What the promise leaves out since the base model was trained before."""
    return statement.Base.of(models.resolve(config.model.name)).before if config.finetune.private else ()


def _check(ready: Prepared) -> None:
    """Refuse what would train something else than is promised."""
    from audit.mitigation.preflight import check_sampling, preflight

    settings, terms = ready.config.finetune, ready.terms
    if not settings.private:
        return
    batches = PoissonBatches(ready.corpus.lengths, terms.sampling, ready.keys)
    steps = range(terms.sampling.steps, terms.sampling.steps + _LOOKED_AT)
    check_sampling((batches.draw(step) for step in steps), units=len(ready.corpus.units), sampling=terms.sampling)
    preflight(
        ready.engine,
        ready.collate,
        vocabulary=ready.model.get_input_embeddings().num_embeddings,
        max_tokens=settings.max_tokens,
        max_grad_norm=settings.max_grad_norm,
        noise_multiplier=terms.noise_multiplier,
        divisor=terms.sampling.divisor,
        texts=(settings.rows_per_customer if settings.unit == "customer" else 1)
        * (1 + settings.copies * bool(settings.augment)),
        physical_batch=settings.physical_batch,
    )


def _train(ready: Prepared, out: Path, ledger: Any, *, start: int | None, world: World, progress: Progress) -> int:
    """Take the steps that are left; return how many of all are in the weights."""
    from audit.mitigation import dp_sgd
    from audit.mitigation.preflight import check_moved, fingerprints

    checkpoint, terms = world.share(checkpoints.load(out) if world.writes else None), ready.terms
    if checkpoint is not None:
        checkpoints.restore(checkpoint, ready.parameters, ready.engine.optimizer, out)
    done, applied = (checkpoint.step, checkpoint.applied) if checkpoint else (0, 0)
    if start is not None and done > start:
        raise ConfigError(
            f"{out}: its checkpoint holds {done} steps and its ledger pays for {start}: the ledger is not the "
            f"training's; put {spending.NAME} back, or begin anew with --fresh"
        )
    before, first = fingerprints(ready.parameters), done if start is None else start

    def look(step: int) -> None:
        if step - first in (1, 2) and terms.noise_multiplier:
            check_moved(before, ready.parameters, steps=step - first)

    return dp_sgd.train(
        ready.engine,
        ready.corpus.units,
        ready.collate,
        terms.sampling,
        ready.keys,
        ledger=ledger,
        parameters=dict(ready.parameters),
        schedule=dp_sgd.Schedule(terms.rate, terms.sampling.steps),
        folder=out,
        start=first,
        applied=applied,
        physical_batch=ready.config.finetune.physical_batch,
        world=world,
        progress=progress,
        after_step=look,
    )


def _leave(ready: Prepared, out: Path, paid: int | None, applied: int) -> Path:
    """Write the model, its statement and its card; return the folder."""
    settings = ready.config.finetune
    made = statement.make_statement(
        promise=None if paid is None else _promise(ready, paid, applied),
        trained=statement.Trained(
            method=settings.method,
            rank=settings.rank if settings.method == "lora" else None,
            parameters=sum(parameter.numel() for parameter in ready.parameters.values()),
            max_tokens=settings.max_tokens,
        ),
        base=statement.Base.of(models.resolve(ready.config.model.name)),
        seed="given" if ready.keys.given else "system",
    )
    if paid is not None:
        made = made.model_copy(update={"not_covered": (*_earlier(out, ready.terms.delta), *made.not_covered)})
    found = save(out / MODEL, ready.model, ready.tokenizer, made)
    (out / checkpoints.NAME).unlink(missing_ok=True)
    return found


def _earlier(out: Path, delta: float) -> tuple[str, ...]:
    """What earlier trainings in the folder spent, in a sentence: each of them saw the records."""
    from audit.mitigation import accounting

    histories = [found.history for found in spending.earlier(out)] if out.is_dir() else []
    spent = [entry for history in histories for entry in history]
    if not spent:
        return ()
    together = accounting.cross_checked(spent, delta).epsilon
    many = "1 training that was" if len(histories) == 1 else f"{len(histories)} trainings that were"
    return (
        f"{many} begun before in the same folder spent epsilon {together:.3g} at this delta; whoever has seen anything "
        "of them must add it.",
    )


def _promise(ready: Prepared, paid: int, applied: int) -> statement.Promise:
    from audit.mitigation import accounting

    settings, terms = ready.config.finetune, ready.terms
    spent = accounting.cross_checked([(terms.noise_multiplier, terms.sampling.sample_rate, paid)], terms.delta)
    return statement.Promise(
        epsilon=spent.epsilon,
        delta=terms.delta,
        unit=settings.unit,
        rows_per_customer=settings.rows_per_customer if settings.unit == "customer" else None,
        copies=settings.copies if settings.augment else 0,
        public_size=terms.public_size,
        accountants=tuple(
            statement.Accountant(name=found.name, version=found.version, epsilon=found.epsilon)
            for found in spent.accountants
        ),
        sampling=statement.Sampled(
            sample_rate=terms.sampling.sample_rate,
            divisor=terms.sampling.divisor,
            steps_planned=terms.sampling.steps,
            steps_paid=paid,
            steps_applied=applied,
        ),
        noise_multiplier=terms.noise_multiplier,
        max_grad_norm=settings.max_grad_norm,
        clipping=settings.clipping,
    )


def plan_training(config: Config, *, progress: Progress | None = None) -> TrainingPlan:
    """Tell noise, steps, ε over the steps and the time they take, without taking one.

    The time is that of made-up texts as long as the records' mean, with nothing added up and no noise drawn.

    Raises
    ------
    ConfigError
        If anything in the config or the records is wrong, or nothing is promised.
    """
    from audit.mitigation.plan import plan

    if not config.finetune.private:
        raise ConfigError(
            "finetune.private: is false, and a training without a promise spends nothing; leave out --plan"
        )
    progress = progress or Silent()
    began = time.monotonic()
    progress.begin("model", 0)
    ready = prepare(config)
    progress.end("model", time.monotonic() - began, False)
    return plan(
        ready.terms.sampling,
        noise_multiplier=ready.terms.noise_multiplier,
        delta=ready.terms.delta,
        protects=config.finetune.unit,
        max_grad_norm=config.finetune.max_grad_norm,
        seconds_a_step=_seconds_a_step(ready),
    )


def _seconds_a_step(ready: Prepared) -> float:
    """A step's forward and backward passes, from the second of two physical batches of made-up texts."""
    lengths, size = ready.corpus.lengths, ready.config.finetune.physical_batch
    length = max(2, round(sum(lengths) / len(lengths)))
    rows = round(ready.corpus.rows / len(ready.corpus.units))
    made_up = ready.collate([Unit(str(place), (tuple([1] * length),) * rows) for place in range(size)])
    seconds = 0.0
    for _ in range(2):
        began = time.monotonic()
        ready.engine.backward(made_up)
        seconds = time.monotonic() - began
        ready.engine.optimizer.zero_grad()
    return seconds * ready.terms.sampling.divisor / size


def promise(model: Path) -> str:
    """What the privacy statement of a trained model says, in one sentence.

    Raises
    ------
    ConfigError
        If it is not of these weights.
    """
    found = statement.check(model)
    return "no privacy statement" if found is None else found.in_words


def _finished(out: Path, header: Mapping[str, Any]) -> bool:
    """Whether ``out`` holds this very training's model, with a statement that is of its weights."""
    if not _agrees(out, header) or not (out / MODEL / statement.NAME).is_file():
        return False
    statement.check(out / MODEL)
    return True


def _agrees(out: Path, header: Mapping[str, Any]) -> bool:
    """Whether ``out`` holds a training by the same settings, on the same records.

    Raises
    ------
    ConfigError
        If it holds another one.
    """
    try:
        recorded = json.loads((out / _NOTE).read_text(encoding="utf-8"))["header"]
    except FileNotFoundError:
        if (out / MODEL).exists():
            raise ConfigError(f"{out / MODEL}: is there and was not trained here; name another --out") from None
        return False
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{out / _NOTE}: cannot be read ({first_line(error)}); begin anew with --fresh") from error
    differs = sorted(key for key in header if recorded.get(key) != header[key])
    if differs:
        raise ConfigError(
            f"{out}: holds a training with other {', '.join(differs)}; name another --out, or begin anew with --fresh"
        )
    return True


def _begin(out: Path, header: Mapping[str, Any], command: str) -> None:
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be made ({error.strerror}); name another --out") from error
    if not (out / _NOTE).is_file():
        note = {"header": dict(header), "command": command, "created": now(), "versions": versions()}
        with replacing(out / _NOTE) as temporary:
            temporary.write_text(json.dumps(note, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _set_aside(out: Path) -> None:
    """Make room for a new training; its ledger is kept under another name."""
    spending.set_aside(out)
    for name in (_NOTE, checkpoints.NAME):
        (out / name).unlink(missing_ok=True)
    for name in (MODEL, f"{MODEL}.partial"):
        shutil.rmtree(out / name, ignore_errors=True)
