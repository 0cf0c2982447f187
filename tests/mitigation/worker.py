"""One training of a tiny model, alone or as one of several processes; run as a script under torch.distributed.run."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

NOISE, NORM, VOCABULARY, STEPS = 0.8, 0.5, 90, 6


class Lines:
    """A ledger of bare numbers."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pay(self, step: int) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{step}\n")


def units(count: int = 40, *, texts: int = 2) -> list[Any]:
    """Texts of 4 to 20 tokens; every third unit has ``texts`` of them."""
    import numpy as np

    from audit.mitigation.values import Unit

    draws = np.random.default_rng(7)

    def text() -> tuple[int, ...]:
        return tuple(draws.integers(0, VOCABULARY, draws.integers(4, 20)).tolist())

    return [Unit(f"{place:03}", tuple(text() for _ in range(texts if place % 3 == 2 else 1))) for place in range(count)]


def model(seed: int) -> Any:
    """A Llama of one layer with adapters, whose first weights are drawn from ``seed``."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4}
    torch.manual_seed(0)
    base = LlamaForCausalLM(LlamaConfig(vocab_size=VOCABULARY, num_key_value_heads=2, **sizes))
    base.requires_grad_(False)
    torch.manual_seed(seed)
    return get_peft_model(base, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))


def train(folder: Path, clipping: str, world: Any, *, seed: int) -> int:
    """Train into ``folder``; of several processes only the first one's ``seed`` counts."""
    import torch

    from audit.mitigation import data, dp_sgd
    from audit.mitigation.clipping import engine_for
    from audit.mitigation.keys import Keys
    from audit.mitigation.values import Sampling

    keys = world.share(Keys.of(seed))
    made = model(seed)  # of several processes each draws others, as with the system's entropy
    sampling = Sampling(0.2, STEPS, 8.0)
    parameters = {name: p for name, p in made.named_parameters() if p.requires_grad}
    world.align(parameters)
    optimizer = torch.optim.AdamW(list(parameters.values()), weight_decay=0.0)
    engine = engine_for(
        made,
        optimizer,
        clipping=clipping,  # type: ignore[arg-type]
        max_grad_norm=NORM,
        noise_multiplier=NOISE,
        divisor=sampling.divisor,
        distributed=world.size > 1,
    )
    chosen = units(texts=1 if clipping == "ghost" else 2)
    folder.mkdir(parents=True, exist_ok=True)
    return dp_sgd.train(
        engine,
        chosen,
        partial(data.collate, pad=0),
        sampling,
        keys,
        ledger=Lines(folder / "ledger"),
        parameters=parameters,
        schedule=dp_sgd.Schedule(1e-3, STEPS),
        folder=folder,
        physical_batch=3,
        world=world,
    )


def main(folder: Path, modes: list[str]) -> None:
    """What each of several processes does: train in each mode, then see what they tell each other."""
    import torch

    from audit.errors import ConfigError
    from audit.mitigation.distributed import joined

    torch.set_num_threads(1)
    with joined() as world:
        for clipping in modes:
            train(folder / clipping, clipping, world, seed=5 + 100 * world.rank)
        said: dict[str, Any] = {
            "size": world.size,
            "shared": world.share(f"from {world.rank}"),
            "agreed": [world.agree(world.rank == 1), world.agree(False)],
        }
        world.check_same("a", "records")
        try:
            world.check_same(world.rank, "records")
        except ConfigError as error:
            said["refused"] = str(error)
        (folder / f"said-{world.rank}.json").write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main(Path(sys.argv[1]), sys.argv[2].split(","))
