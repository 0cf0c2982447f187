"""DP fine-tuning on the Python API: from records to a model that carries its promise. Copy it and change it.

    python scripts/dp_finetune.py RECORDS --model embedded:smollm2 --epsilon 8 --out tuned

`evenhand finetune` does the same, and goes on where a killed training was.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from audit import Config, EvenhandError
from audit.backends import models
from audit.mitigation import accounting, dp_sgd, spending, statement
from audit.mitigation.clipping import engine_for
from audit.mitigation.data import collate, read_corpus
from audit.mitigation.keys import Keys
from audit.mitigation.preflight import check_sampling, preflight
from audit.mitigation.prepare import load_for_training, trained_parameters
from audit.mitigation.sampling import PoissonBatches
from audit.mitigation.saving import save
from audit.mitigation.values import PrivacyBudget, Sampling


def main() -> int:
    """Train, and leave adapters, their privacy statement and their card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--layout", default="auto", help="which column holds what; amazon-2023, yelp, ...")
    parser.add_argument("--model", default="embedded:smollm2")
    parser.add_argument("--epsilon", type=float, default=8.0)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    config = Config.model_validate(
        {"privacy": {"layout": given.layout}, "finetune": {"train": given.records, "augment": ["gender"]}}
    )
    settings, keys = config.finetune, Keys.of(None)

    # What is trained, and on what: a unit is a record with its counterfactual copies.
    model, tokenizer = load_for_training(given.model, settings, keys.start())
    corpus, parameters = read_corpus(config, tokenizer), trained_parameters(model)
    device = str(next(iter(parameters.values())).device)
    read = partial(collate, pad=tokenizer.pad_token_id or tokenizer.eos_token_id or 0, device=device)

    # Constants that anyone may know, and the noise that keeps the budget with them.
    size = accounting.public_size(len(corpus.units))  # two digits of it, which are taken as known
    rate = min(1.0, given.batch / size)
    sampling = Sampling(sample_rate=rate, steps=round(given.epochs / rate), divisor=rate * size)
    delta = accounting.auto_delta(size)
    noise = accounting.noise_for(PrivacyBudget(given.epsilon, delta), sampling)

    # The engine clips each unit once; the pre-flight moves made-up neighbours through it and refuses what is not so.
    optimiser = torch.optim.AdamW(list(parameters.values()), weight_decay=0.0, fused=True)
    engine = engine_for(
        model, optimiser, clipping="bookkeeping", max_grad_norm=1.0, noise_multiplier=noise, divisor=sampling.divisor
    )
    coins = PoissonBatches(corpus.lengths, sampling, keys)
    tossed = (coins.draw(step) for step in range(sampling.steps, sampling.steps + 200))
    check_sampling(tossed, units=len(corpus.units), sampling=sampling)
    preflight(
        engine,
        read,
        vocabulary=model.get_input_embeddings().num_embeddings,
        max_tokens=settings.max_tokens,
        max_grad_norm=1.0,
        noise_multiplier=noise,
        divisor=sampling.divisor,
        texts=1 + settings.copies,
        physical_batch=settings.physical_batch,
    )

    # Each step is paid for before its noise is drawn, in a ledger that also says how many were if this is killed.
    given.out.mkdir(parents=True)
    constants = {"unit": "record", "sample_rate": sampling.sample_rate, "steps": sampling.steps, "delta": delta}
    constants |= {"divisor": sampling.divisor, "max_grad_norm": 1.0, "noise_multiplier": noise}
    with spending.open_or_begin(given.out, constants | {"settings": "", "data": corpus.fingerprint()}) as ledger:
        applied = dp_sgd.train(
            engine,
            corpus.units,
            read,
            sampling,
            keys,
            ledger=ledger,
            parameters=parameters,
            schedule=dp_sgd.Schedule(1e-3, sampling.steps),
            folder=given.out,
        )

    # What is promised stands beside the weights; evenhand loads them with no other statement.
    spent = accounting.cross_checked(ledger.history, delta)
    promise = statement.Promise(
        epsilon=spent.epsilon,
        delta=delta,
        unit="record",
        copies=settings.copies,
        public_size=size,
        accountants=tuple(statement.Accountant(**asdict(found)) for found in spent.accountants),
        sampling=statement.Sampled(
            sample_rate=sampling.sample_rate,
            divisor=sampling.divisor,
            steps_planned=sampling.steps,
            steps_paid=ledger.paid,
            steps_applied=applied,
        ),
        noise_multiplier=noise,
        max_grad_norm=1.0,
        clipping="bookkeeping",
    )
    trained = statement.Trained(
        method="lora",
        rank=settings.rank,
        parameters=sum(parameter.numel() for parameter in parameters.values()),
        max_tokens=settings.max_tokens,
    )
    base = statement.Base.of(models.resolve(given.model))
    made = statement.make_statement(promise=promise, trained=trained, base=base, seed="system")
    print(f"{made.in_words}\n{save(given.out / 'model', model, tokenizer, made)}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EvenhandError as error:
        print(f"dp_finetune: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
