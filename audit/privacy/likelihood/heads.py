"""Ways through a model that never hold the logits of a whole batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.backends.engine import accepted, faithful
from audit.errors import BackendError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

# Logits held at once: 16 MB in float32; larger blocks are no faster.
BLOCK = 1 << 22
# So many times as many are held where each further block is a forward pass of its own.
_DEARER = 4

# (model, ids, mask, logits held at once) to blocks of logits, each of shape (tokens, vocabulary): those of every
# place that has a successor, row by row. ``ids`` and ``mask`` have shape (rows, longest), padded on the right.
Way = Callable[["PreTrainedModel", "torch.Tensor", "torch.Tensor", int], Iterator["torch.Tensor"]]


def in_blocks(model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor, block: int) -> Iterator[torch.Tensor]:
    """Run the body of ``model`` once, then what the model does with its output on a few tokens at a time.

    While the model's own forward runs on them, its body hands over what it had found
    before; so logits that a model scales or caps come out scaled or capped.
    """
    import torch

    body = model.base_model
    output = body(input_ids=ids, attention_mask=mask, **_common(body, ids))
    hidden = output.last_hidden_state[:, :-1][mask[:, 1:].bool()]
    for some in torch.split(hidden, max(1, block // _vocabulary(model))):
        output["last_hidden_state"] = some[None]
        before = vars(body).get("forward")
        body.forward = lambda *args, **kwargs: output
        try:
            logits = model(input_ids=ids[:1, : len(some)], **accepted(model, {"use_cache": False})).logits
        finally:
            del body.forward
            if before is not None:
                body.forward = before
        yield logits[0]


def in_rows(model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor, block: int) -> Iterator[torch.Tensor]:
    """Run the whole ``model`` on as many rows as fit, and on a row that does not fit once for each part of it."""
    import torch

    block *= _DEARER
    width, vocabulary = ids.shape[1], _vocabulary(model)
    rows = max(1, block // (width * vocabulary))
    step = max(1, block // vocabulary) if accepted(model, {"logits_to_keep": 0}) else width
    for some, real in zip(torch.split(ids, rows), torch.split(mask, rows), strict=True):
        given = {"input_ids": some, "attention_mask": real, **_common(model, some)}
        if rows > 1 or step >= width:
            yield model(**given).logits[:, :-1][real[:, 1:].bool()]
            continue
        for places in torch.split(torch.arange(int(real.sum()) - 1, device=ids.device), step):
            yield model(**given, logits_to_keep=places).logits[0]


def find_way(model: PreTrainedModel, name: str) -> Way:
    """Return the fastest way whose log-probabilities are those of each text by itself.

    All are compared on made-up tokens.

    Raises
    ------
    BackendError
        If none is: what the model says of a text then depends on the texts beside it.
    """
    if _gap(model, in_blocks) < faithful(model):
        return in_blocks
    if _gap(model, in_rows) < 10 * faithful(model):
        return in_rows
    raise BackendError(
        f"model {name!r}: answers otherwise when a text is padded, so that its answers would depend on their batch; "
        "audit a model that heeds the attention mask"
    )


def padded(texts: Sequence[np.ndarray[Any, Any]], device: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids padded on the right, and the mask of what is no padding; shape (texts, longest)."""
    import torch

    ids = np.zeros((len(texts), max(map(len, texts))), np.int64)
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(texts):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)


def _gap(model: PreTrainedModel, way: Way) -> float:
    """How far a way may be from plain passes, in natural log; infinite where the model does not bear it."""
    import torch

    vocabulary = _vocabulary(model)
    numbers = np.random.default_rng(0).integers(0, min(vocabulary, 30_000), (2, 24))
    texts = [numbers[0][:9], numbers[1]]
    with torch.inference_mode():
        plain = [model(padded([text], model.device)[0]).logits[0, :-1] for text in texts]
        try:
            found = torch.cat(list(way(model, *padded(texts, model.device), 7 * vocabulary)))
        except Exception:  # a model with a body of its own may fail in any way
            return float("inf")
    expected = torch.cat(plain).float().log_softmax(-1)
    if found.shape != expected.shape:
        return float("inf")
    # Far below what is ever sampled the two may round differently.
    likely = expected > -30
    gap = (found.float().log_softmax(-1) - expected).abs()[likely].max()
    return float(gap.nan_to_num(nan=float("inf")))


def _common(part: Any, ids: torch.Tensor) -> dict[str, Any]:
    import torch

    positions = torch.arange(ids.shape[1], device=ids.device).expand(*ids.shape)
    return accepted(part, {"position_ids": positions, "use_cache": False})


def _vocabulary(model: PreTrainedModel) -> int:
    return int(model.get_input_embeddings().weight.shape[0])
