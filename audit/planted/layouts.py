"""Which cells a design has: templates, blocks, stimuli and groups as integer codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Reals = NDArray[np.float64]
Codes = NDArray[np.intp]
Flags = NDArray[np.bool_]

MANY_CATEGORIES = 16


@dataclass(frozen=True, slots=True)
class Layout:
    """Which cells there are; integer codes, one entry a cell, in the order of the probes table.

    ``group`` 0 is the reference. With ``explicit`` a persona is a phrasing that every
    group shares, and cells pair within block × phrasing; ``stimulus`` tells persona
    and group together. ``affected`` are the cells of groups in which an effect is
    planted, ``asked`` those that have an answer at all.
    """

    block: Codes
    template: Codes
    category: Codes
    persona: Codes
    group: Codes
    explicit: bool
    affected: Flags
    asked: Flags
    stimulus: Codes
    template_group: Codes
    block_group: Codes
    template_of_block: Codes
    groups: int

    @property
    def size(self) -> int:
        """Number of cells."""
        return self.block.size


def layout(
    templates: int,
    blocks: int,
    personas: int,
    groups: int = 2,
    *,
    explicit: bool = False,
    missing: float = 0.0,
    categories: int | None = None,
) -> Layout:
    """A complete design in the order in which probes are expanded.

    Parameters
    ----------
    templates, blocks
        Wordings, and wordings × categories; ``blocks`` is a multiple of ``templates``.
    personas
        Names a group, or phrasings that all groups share.
    explicit
        Whether cells pair within block × phrasing.
    missing
        Share of cells without an answer; the same cells for the same design.
    categories
        How many there are; blocks take them in turn. By default those of one
        wording, or 16 where each wording has one category.

    Raises
    ------
    ValueError
        If ``blocks`` is no multiple of ``templates``, or a wording would meet a category twice.

    Examples
    --------
    >>> cells = layout(2, 4, 3)
    >>> cells.size, cells.template[::6].tolist(), cells.group[:6].tolist()
    (24, [0, 0, 1, 1], [0, 0, 0, 1, 1, 1])
    >>> layout(1, 1, 2, explicit=True).group.tolist()
    [0, 1, 0, 1]
    """
    each = blocks // templates
    if blocks % templates:
        raise ValueError(f"{blocks} blocks are no multiple of {templates} templates")
    if categories is None:
        categories = each if each > 1 else min(MANY_CATEGORIES, blocks)
    if each > categories:
        raise ValueError(f"a wording has {each} blocks but there are {categories} categories")
    if explicit:
        persona, group = np.repeat(np.arange(personas), groups), np.tile(np.arange(groups), personas)
    else:
        persona, group = np.arange(personas * groups), np.repeat(np.arange(groups), personas)
    block = np.repeat(np.arange(blocks), persona.size)
    asked = None
    if missing:
        asked = np.random.default_rng(0).random(block.size) >= missing
    return layout_of(
        block,
        block // each,
        block % categories,
        np.tile(persona, blocks),
        np.tile(group, blocks),
        explicit=explicit,
        asked=asked,
    )


def layout_of(
    block: ArrayLike,
    template: ArrayLike,
    category: ArrayLike,
    persona: ArrayLike,
    group: ArrayLike,
    *,
    explicit: bool = False,
    affected: ArrayLike | None = None,
    asked: ArrayLike | None = None,
    template_of_block: ArrayLike | None = None,
) -> Layout:
    """A layout from codes 0, 1, … of each cell.

    ``affected`` are all groups but the reference unless given; ``template_of_block``
    is needed where some block has no cell.
    """
    block_, template_, category_, persona_, group_ = (
        np.asarray(codes, np.intp) for codes in (block, template, category, persona, group)
    )
    groups = int(group_.max(initial=0)) + 1
    owners = np.zeros(int(block_.max(initial=-1)) + 1, np.intp)
    owners[block_] = template_
    if template_of_block is not None:
        owners = np.asarray(template_of_block, np.intp)
    return Layout(
        block=block_,
        template=template_,
        category=category_,
        persona=persona_,
        group=group_,
        explicit=explicit,
        affected=group_ > 0 if affected is None else np.asarray(affected, np.bool_),
        asked=np.ones(block_.size, np.bool_) if asked is None else np.asarray(asked, np.bool_),
        stimulus=persona_ * groups + group_ if explicit else persona_,
        template_group=template_ * groups + group_,
        block_group=block_ * groups + group_,
        template_of_block=owners,
        groups=groups,
    )
