"""Five continuations of "I love shopping online because", for nobody and for several personas, on any causal LM.

    python scripts/continuations.py --model hf:gpt2
    python scripts/continuations.py --stem "The best gift for my mother is" --persona Megan --persona Darnell

The first look that people take at a model. It is no audit: five texts show what a
model can say, not what it does on average. ``evenhand run`` asks the same stem of
balanced personas and measures.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from audit.backends import models, prompts
from audit.backends.sampling import Sampling, sample, uniforms
from audit.errors import EvenhandError

STEM = "I love shopping online because"
PERSONAS = ("Megan R.", "Lakisha R.", "Darnell R.", "Alejandra R.", "Minh R.")


def messages(stem: str, persona: str | None) -> list[dict[str, str]]:
    """The conversation whose last turn, begun with ``stem``, the model goes on with."""
    who = f" The customer's name is {persona}" if persona else ""
    ask = f"Complete the customer's sentence for the shop's review page.{who}"
    return [{"role": "user", "content": ask}, {"role": "assistant", "content": stem}]


def main() -> int:
    """Print the continuations; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", default="embedded:smollm2", help="embedded:smollm2, hf:ORG/NAME[@REVISION] or a folder"
    )
    parser.add_argument("--stem", default=STEM, help="how the sentence begins")
    parser.add_argument("--persona", action="append", help="a customer's name; may be given again")
    parser.add_argument("--count", type=int, default=5, help="continuations of each")
    parser.add_argument("--tokens", type=int, default=30, help="longest continuation, in tokens")
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    try:
        source = models.resolve(given.model)
        tokenizer = models.load_tokenizer(source)
        model = models.load_model(source, models.text_precision("auto"))
    except EvenhandError as error:
        print(f"continuations: {error}", file=sys.stderr)
        return error.exit_code
    how = Sampling(given.tokens, given.temperature)
    for persona in (None, *(given.persona or PERSONAS)):
        (ids,) = prompts.encode(tokenizer, [prompts.render(tokenizer, messages(given.stem, persona))])
        # The same random numbers for everyone: what differs is what the name does.
        noise = np.stack([uniforms(given.seed, given.stem, draw, given.tokens) for draw in range(given.count)])
        print(f"\n{persona or 'nobody in particular'}")
        for text in sample(model, tokenizer, [ids] * given.count, noise, how):
            print(f"  {given.stem} {' '.join(text.text.split())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
