"""Which names of columns may be shown: in a file without a header the first line is a customer's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

LONGEST: Final = 30
# A name that a program gave: it begins with a small letter, and is one word.
_IDENTIFIER: Final = re.compile(r"[a-z_][A-Za-z0-9_.-]*")
_LONG_NUMBER: Final = re.compile(r"\d{3}|\d\D?\d\D?\d")
_PART: Final = re.compile(r"[^\W\d_]+|\d+")
_WORDS: Final = (
    "account address age agent amount answer area asin assistant author average birth body brand business buyer card "
    "category channel chat city code comment company content conversation cool count country created currency customer "
    "data date day description detail details device dialog email feedback female first funny gender gift group head "
    "headline helpful history id image index integer ip item kind label lang language last level line link locale "
    "location log loyalty mail male message messages method mobile model month name no note notes nr number of "
    "order overall parent parcel payment person phone plate platform post price priority product province purchase "
    "purchased quantity question race rating reason record ref reference region reply requester resolution response "
    "result review reviewer reviews role satisfaction score seller sentiment sex shipping shop size source star stars "
    "state status store street style subject subtype summary support tag tags team telephone text thread ticket time "
    "timestamp title to total tracking turn turns type unix update updated url useful user username value vendor "
    "verified version vote votes when who word words year zip "
    "文本 内容 评论 评价 标题 主题 客户 顾客 买家 用户 客服 卖家 订单 订单号 姓名 电话 手机 手机号 邮箱 地址 性别 地区 "
    "省份 城市 年龄 编号 序号 类别 类型 商品 产品 评分 星级 时间 日期 状态 备注 描述 对话 消息"
)
_KNOWN: Final = frozenset(_WORDS.split())


def names_among(columns: Sequence[str], of: Sequence[str] = ()) -> list[str]:
    """The columns that may be shown, in their order.

    As soon as one of them, or of all columns of the file (``of``), looks like data, only those of known words are:
    the line may be no header at all.

    >>> names_among(("id", "lamp_kind", "reviewText", "Ticket Subject"))
    ['id', 'lamp_kind', 'reviewText', 'Ticket Subject']
    >>> names_among(("id", "lamp_kind", "Ann Jarvis")), names_among(("id", "lamp_kind"), of=("id", "ann@example.com"))
    (['id'], ['id'])
    """
    if all(_of_words(column) or _is_identifier(column) for column in (*columns, *of)):
        return list(columns)
    return list(filter(_of_words, columns))


def told(columns: Sequence[str], most: int, of: Sequence[str] = ()) -> str:
    """The columns for a person to read, at most so many of them; ``of`` as in :func:`names_among`.

    >>> told(("id", "text", "ann@example.com", "212-555-0143"), 8)
    'id, text and 2 columns whose names look like data (does the file have a header?)'
    >>> told(("id", "text", "stars"), 2)
    'id, text and 1 more'
    """
    names = names_among(columns, of)
    hidden, more = len(columns) - len(names), len(names) - most
    parts = [", ".join(names[:most])] if names else []
    parts += [f"{more} more"] if more > 0 else []
    if hidden:
        many = "1 column whose name looks" if hidden == 1 else f"{hidden} columns whose names look"
        parts.append(f"{many} like data (does the file have a header?)")
    return " and ".join(parts)


def _is_identifier(column: str) -> bool:
    return len(column) <= LONGEST and _IDENTIFIER.fullmatch(column) is not None and not _LONG_NUMBER.search(column)


def _of_words(column: str) -> bool:
    """Whether all parts are known words or numbers of one or two digits: "Ticket ID", "helpful_vote", "reviewerID"."""
    if len(column) > LONGEST or not re.fullmatch(r"[\w .()#:/-]+", column) or _LONG_NUMBER.search(column):
        return False
    parts = _PART.findall(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column))
    return any(not part.isdigit() for part in parts) and all(part.isdigit() or part.lower() in _KNOWN for part in parts)
