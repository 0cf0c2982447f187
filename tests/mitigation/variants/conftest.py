"""A shop with planted canaries, a small suite, and a stand-in for the training that takes a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from audit.config import Config, load_config
from audit.errors import BackendError
from audit.progress import Progress
from tests import tiny

RECORDS = 80
WHOLE: Mapping[str, Any] = {"variants": ("base", "ft", "dp"), "prompts": ("equal-treatment",)}


@dataclass(frozen=True, slots=True)
class SmallShop:
    """Where the base, the ledger and the config lie."""

    folder: Path
    base: Path
    ledger: Path

    def config(self, **mitigation: Any) -> Config:
        """One task of decisions and a few texts; what is compared is up to the test."""
        config = load_config(self.folder / "audit" / "evenhand.toml")
        data = config.model_dump() | {
            "run": config.run.model_dump() | {"tasks": ("swap",), "manipulation": False},
            "gate": {"preset": "none"},
            "privacy": {"ledger": self.ledger, "generations": 6, "fpr": 0.1, "n": 100, "suffix": 12, "prefix": 12},
            "mitigation": mitigation,
        }
        return Config.model_validate(data)


@dataclass
class StandIn:
    """Trains for a moment: without a promise many steps, with one few; ``broken`` cells fail."""

    broken: set[str] = field(default_factory=set)
    epochs: int = 25
    trained: list[str] = field(default_factory=list)

    def __call__(
        self, config: Config, out: Path, *, progress: Progress | None = None, fresh: bool = False, command: str = ""
    ) -> Path:
        if out.name in self.broken:
            raise BackendError("the machine has no memory left; make room")
        if (out / "model").is_dir() and not fresh:
            return out / "model"
        self.trained.append(out.name)
        _train(config, out / "model", epochs=1 if config.finetune.private else self.epochs)
        if config.finetune.private:
            _state(out / "model", config)
        return out / "model"


@pytest.fixture
def stand_in() -> StandIn:
    return StandIn()


@pytest.fixture(scope="session")
def small_shop(tmp_path_factory: pytest.TempPathFactory) -> SmallShop:
    """Records of 80 customers, half held out, 20 canaries, and a base that has read others of the kind."""
    import torch

    from audit.privacy import planting, records
    from tests.privacy.conftest import llama, save, tokenizer, train

    folder = tmp_path_factory.mktemp("small-shop")
    path = folder / "records.jsonl"
    records.write_records(records.generate(RECORDS, seed=5), path)
    planting.plant(
        path,
        folder / "train.jsonl",
        layout=records.find_layout("auto", path),
        held_out_path=folder / "held-out.jsonl",
        ledger_path=folder / "ledger.json",
        canaries=20,
        references=30,
        held_out=0.5,
        seed=2,
    )
    before = [record.text for record in records.generate(RECORDS, seed=77)]
    words = tokenizer(before)
    model = llama(len(words))
    torch.manual_seed(0)
    train(model, words, before, epochs=4, rate=3e-3)
    save(model, words, folder / "base")
    tiny.write_audit(folder / "audit", folder / "base")
    return SmallShop(folder, folder / "base", folder / "ledger.json")


@pytest.fixture(scope="session")
def mitigated(small_shop: SmallShop) -> tuple[Path, StandIn]:
    """A whole mitigation of three variants and a prompt."""
    from audit.mitigation.run import mitigate

    train = StandIn()
    config = small_shop.config(**WHOLE)
    return mitigate(config, small_shop.folder / "mitigated", train=train, command="evenhand mitigate"), train


@pytest.fixture(scope="session")
def rows(mitigated: tuple[Path, StandIn]) -> Callable[..., list[dict[str, Any]]]:
    """The rows of its table that have what is asked for."""
    import pyarrow.parquet as pq

    every = pq.read_table(mitigated[0] / "frontier.parquet").to_pylist()

    def find(**wanted: Any) -> list[dict[str, Any]]:
        return [row for row in every if all(row[name] == value for name, value in wanted.items())]

    return find


def _train(config: Config, place: Path, *, epochs: int) -> None:
    import torch
    import transformers

    from audit.privacy import records
    from audit.privacy.planting import read_ledger
    from tests.privacy.conftest import save, train

    assert config.privacy.ledger is not None
    ledger = read_ledger(config.privacy.ledger)
    texts = [one.text for one in records.read_records(config.privacy.ledger.parent / "train.jsonl", ledger.layout)]
    words = transformers.AutoTokenizer.from_pretrained(config.model.name)
    model = transformers.AutoModelForCausalLM.from_pretrained(config.model.name)
    torch.manual_seed(0)
    train(model, words, texts, epochs=epochs, rate=3e-3 if epochs > 5 else 1e-4)
    save(model, words, place)


def _state(place: Path, config: Config) -> None:
    from audit.backends import models
    from audit.mitigation.statement import Accountant, Base, Promise, Sampled, Trained, make_statement, write_statement

    epsilon = config.finetune.epsilon
    assert epsilon is not None
    promise = Promise(
        epsilon=epsilon,
        delta=1e-4,
        unit="record",
        public_size=40,
        accountants=(Accountant(name="prv", version="1", epsilon=epsilon),),
        sampling=Sampled(sample_rate=0.1, divisor=4.0, steps_planned=20, steps_paid=20, steps_applied=20),
        noise_multiplier=0.8,
        max_grad_norm=1.0,
        clipping="hooks",
    )
    trained = Trained(method="full", parameters=1000, max_tokens=256)
    base = Base.of(models.resolve(config.model.name))
    write_statement(place, make_statement(promise=promise, trained=trained, base=base, seed="system"))
