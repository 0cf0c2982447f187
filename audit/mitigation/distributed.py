"""Several processes that train one model: ``torchrun -m evenhand finetune ...``.

The batch of a step is drawn as for one process, from the first one's entropy, and each takes its share of it. Each
clips and adds up; the first alone pays the ledger, adds noise, and writes. So ε is that of one process, and so is,
but for the order of sums, what is learnt.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from audit.errors import BackendError, ConfigError, first_line

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class World:
    """Which of several processes that train together this one is; alone by default.

    Every method but :attr:`writes` is one that all processes call at the same place.

    >>> World().writes, World().share(3), World().agree(False)
    (True, 3, False)
    """

    rank: int = 0
    size: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process is the one that pays, adds noise, writes and speaks."""
        return self.rank == 0

    def share(self, value: T) -> T:
        """What the first process gave as ``value``."""
        if self.size == 1:
            return value
        from torch import distributed

        held: list[Any] = [value]
        distributed.broadcast_object_list(held, src=0)
        found: T = held[0]
        return found

    def agree(self, flag: bool) -> bool:
        """Whether any process says so."""
        if self.size == 1:
            return flag
        return any(self._gathered(flag))

    def check_same(self, value: Any, what: str) -> None:
        """Stop where processes would train different things.

        Raises
        ------
        ConfigError
            If ``value`` is not the same in all of them.
        """
        if self.size > 1 and any(other != value for other in self._gathered(value)):
            raise ConfigError(
                f"{what}: not the same in all {self.size} processes; give each the same config, model and records"
            )

    def align(self, tensors: Mapping[str, Tensor]) -> None:
        """Put the first process's values into ``tensors``."""
        if self.size == 1:
            return
        import torch

        with torch.no_grad():
            for name in sorted(tensors):
                torch.distributed.broadcast(tensors[name].detach(), src=0)

    def wait(self) -> None:
        """Go on when all processes are here."""
        self.agree(False)

    def _gathered(self, value: Any) -> list[Any]:
        from torch import distributed

        found: list[Any] = [None] * self.size
        distributed.all_gather_object(found, value)
        return found


@contextmanager
def joined() -> Iterator[World]:
    """Join the processes that torchrun started; alone where it did not start any.

    Raises
    ------
    BackendError
        If another process stopped, whose own message says why.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    import torch
    from torch import distributed

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    # Objects go over gloo, tensors over what their device has.
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield World(distributed.get_rank(), distributed.get_world_size())
    except RuntimeError as error:
        if isinstance(error, distributed.DistError) or "gloo" in str(error):
            raise BackendError(f"another of the {size} processes stopped ({first_line(error)})") from error
        raise
    finally:
        distributed.destroy_process_group()
