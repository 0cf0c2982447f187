"""Names in Chinese texts: a family name and one or two signs, where something near says that it is a name.

Without such a word a name must be one for jieba, too. Names of other peoples of China are
written by the sounds of their languages; they are found by their syllables or their dot.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from audit.privacy.pii.recognisers.words import signs, words
from audit.privacy.pii.values import GUESSED, NAMED, SHAPED, Found

_H: Final = "\u4e00-\u9fff"
COMPOUND: Final = tuple(sorted(words("zh", "compound")))
SINGLE: Final = signs("zh", "single")
_EVERYDAY: Final = frozenset(signs("zh", "everyday"))

_SOUNDS: Final = signs("zh", "sounds")
_GIVEN: Final = frozenset(signs("zh", "given"))
# Compound family names that are no other word.
_COMPOUNDED: Final = re.compile(
    "欧阳|端木|上官|诸葛|慕容|皇甫|尉迟|夏侯|令狐|澹台|万俟|亓官|闻人|钟离|宇文|司徒|呼延"
    "|拓跋|赫连|轩辕|公孙|淳于|申屠|濮阳(?!市)|闾丘|颛孙"
)
_TITLE: Final = re.compile("先生|女士|小姐|老师|师傅|太太|阿姨|叔叔|经理|医生|同学")
_STEMS: Final = "|".join(sorted(words("zh", "stems"), key=lambda stem: (-len(stem), stem)))
_DOTTED: Final = re.compile(rf"[{_H}]{{2,7}}[·•・‧][{_SOUNDS}{_H}]{{2,7}}")
_DOTTED_RIGHT: Final = re.compile(rf"[{_SOUNDS}]{{2,8}}")
_SOUNDED: Final = re.compile(rf"(?=[{_SOUNDS}]{{0,4}}(?:{_STEMS}))[{_SOUNDS}]{{2,8}}花?")

# They say that a name follows; the second row only that somebody does.
_SAID: Final = (
    "姓名|全名|本名|名字是|名字叫|大名|我叫|她叫|他叫|名叫|叫做|叫|收件人?|收货人|收票人|收方"
    "|联系人|户名|登记人|持卡人|代办人|经办人|签收人|尊敬的|亲爱的|敬爱的"
)
_ROLE: Final = (
    "名字|车主|客户|用户|买家|卖家|会员|设计师|老师傅|师傅|送货员|配送员|快递员|客服|主播"
    "|同学|同事|朋友|邻居|外公|外婆|爷爷|奶奶|姥姥|姥爷|爸爸|妈妈|爸|妈|弟弟|妹妹|哥哥"
    "|姐姐|弟|妹|老公|老婆|丈夫|妻子|儿子|女儿|闺女|孩子|宝宝|叔叔|阿姨|舅舅|员工|经理|老师"
    "|医生|助理|室友|老板|找|联系|代购叫|寄给|转给|通知|麻烦"
)
_LINK: Final = r"(?:的?名字)?(?:写的?|填|改成|改为|换成|应该|确认)?(?:是|为|叫|我爸|我妈|我)?[ :：“\"「]{0,2}"
_EXPLICIT: Final = re.compile(rf"(?:{_SAID}){_LINK}")
_BEFORE: Final = re.compile(rf"(?:{_ROLE}){_LINK}")
# Behind an open label any two to four signs are a name.
_LABELLED: Final = re.compile(
    rf"(?:姓名|收件人?|收货人|联系人|户名|我叫|全名|收票人|登记人)(?:[:：]|是"
    rf"|为)?[ “]?(?P<name>[{_H}]{{2,4}})(?=[，,。；;、”\s\d+(（]|$)"
)
_NO_NAME: Final = re.compile(
    "[的了在是不很太就都也还要会能没有到过我你他她它们这那哪什么怎请再别和与]|地址|电话|信息"
    "|改成|改为|手机|错误|人名|正确|如下|先生|女士|小姐"
)
_WEAK_BEFORE: Final = re.compile(
    r"(?:我是|是|给|由|联系|和|与|、|，|,|写|代|请|寄给|转给|转|退给?|被|让|跟|问|刻|:|：|“|\""
    r"|\(|（|—— ?|^|\n|\d[.、]? )"
)
_BEHIND: Final = re.compile(
    r"(?: ?(?:收(?![到货藏费入])|女士|先生|小姐|老师|师傅|同学|阿姨|叔叔|签收|代收|亲收|本人"
    r"|印)|[ ,，：:]{1,2}(?:\+?\d{7,}"
    r"|1[3-9]\d|0\d{2,3}|\d{6}|[a-z0-9._]+@|电话|手机|邮箱|微信))"
)
# What may follow a name at once; anything else may be its last sign.
_AFTER: Final = frozenset(
    "的收在是说要就已签代女先小老师同吗呢吧和与及印到去来买也都没不打给上下用把被让想这那昨今"
    "明有会能可换寄申退催留看讲姐哥本名他她它两三一穿订发寄"
)
_TITLED: Final = re.compile(
    rf"(?P<name>(?:{'|'.join(COMPOUND)})|[{SINGLE}])(?=(?:先生|女士|小姐|太太|阿姨|叔叔|老师|师傅|经理"
    rf"|总(?![共计是的数价])|姐(?![姐妹夫])|哥(?!哥))(?!傅))"
)
_PINYIN: Final = re.compile(r"(?<![A-Za-z])[A-Z][a-z]{1,6} [A-Z][a-z]{1,5}(?:[ -]?[A-Z]?[a-z]{1,5})?(?![A-Za-z])")
_PINYIN_BEFORE: Final = re.compile(r"(?:收件|收货|姓名|拼音|名字?|联系人|护照|署名)[^。\uff01\uff1f\n]{0,6}$")

# A family name and two signs of names, where no word goes on before.
_USUAL: Final = re.compile(rf"(?:(?<=[^{_H}])|(?<=[是给由找和与叫寄])|^)[{SINGLE}][{signs('zh', 'given')}]{{2}}")
# A line that begins with a name: "张伟：已收到".
_SPEAKS: Final = re.compile(
    (
        rf"^(?P<name>[{SINGLE}][{signs('zh', 'given')}]{{1,2}})(?=[:：]|说|要退|退货|反馈|投诉|来电|买的|订的|收到"
        rf"|下单)"
    ),
    re.MULTILINE,
)
# What jieba gets at once; no sentence goes on for longer, and its time grows with what it cannot read.
_RUN: Final = re.compile(rf"(?<![{_H}])[{_H}]{{3,200}}(?![{_H}])")
_KNOWN: Final = words("zh", "known")
_KNOWN_FIRST: Final = tuple(sorted(_KNOWN))


def find(text: str) -> Iterator[Found]:
    """Names with a word of context, transliterated names, and what jieba and a family name agree on.

    >>> text = "收货人改成欧阳若溪，昨天黄先生签收"
    >>> sorted({text[f.start:f.end] for f in find(text)})
    ['欧阳若溪', '黄']
    """
    yield from _announced(text)
    yield from _sounded(text)
    for match in _TITLED.finditer(text):
        yield Found(*match.span("name"), "PERSON", SHAPED - 0.1)
    for match in _PINYIN.finditer(text):
        if _PINYIN_BEFORE.search(text[max(0, match.start() - 16) : match.start()]):
            yield Found(*match.span(), "PERSON", SHAPED)
    yield from _agreed(text)


def _announced(text: str) -> Iterator[Found]:
    for match in _EXPLICIT.finditer(text):
        yield from _name_at(text, match.end(), NAMED, everyday=True)
    for match in _LABELLED.finditer(text):
        if not _NO_NAME.search(match["name"]) and match["name"] not in _KNOWN:
            yield Found(*match.span("name"), "PERSON", NAMED)
    for match in _BEFORE.finditer(text):
        yield from _name_at(text, match.end(), SHAPED, loose=True)
    for match in _COMPOUNDED.finditer(text):
        yield from _name_at(text, match.start(), SHAPED - 0.1)
    for pattern_match in _WEAK_BEFORE.finditer(text):
        for found in _name_at(text, pattern_match.end(), SHAPED):
            if _BEHIND.match(text, found.end):
                yield found


def _name_at(text: str, start: int, score: float, *, everyday: bool = False, loose: bool = False) -> Iterator[Found]:
    """A Han name that begins at ``start``, as long as it plausibly is.

    ``everyday``: a family name may be an everyday word. ``loose``: anything may stand behind
    it where its signs are ones that names are written with.
    """
    surname = next((name for name in COMPOUND if text.startswith(name, start)), text[start : start + 1])
    if not surname or (len(surname) == 1 and (surname not in SINGLE or (surname in _EVERYDAY and not everyday))):
        return
    given = re.match(rf"[{_H}]{{1,2}}", text[start + len(surname) :])
    if not given or _TITLE.match(text, start + len(surname)):
        return
    longest = start + len(surname) + len(given[0])
    # Two signs unless the second is rather the next word.
    for end in range(longest, longest - len(given[0]), -1):
        behind = text[end : end + 1]
        bounded = not re.match(rf"[{_H}]", behind) or behind in _AFTER or bool(_BEHIND.match(text, end))
        name, own = text[start:end], text[start + len(surname) : end]
        if loose and not bounded:
            bounded = len(own) == 2 and all(sign in _GIVEN for sign in own)
        if not bounded or name.startswith(_KNOWN_FIRST) or _NO_NAME.search(own):
            continue
        if end == longest and own[-1] in "收说买吗呢吧上下签就已代去来" and len(own) == 2:
            continue
        yield Found(start, end, "PERSON", score)
        return


def _sounded(text: str) -> Iterator[Found]:
    for match in _DOTTED.finditer(text):
        dot = re.search("[·•・‧]", match[0])
        middle = match.start() + (dot.start() if dot else 0)
        left = re.search(rf"[{_SOUNDS}]{{2,7}}$", text[match.start() : middle])
        right = _DOTTED_RIGHT.match(text, middle + 1)
        if left and right:
            yield Found(middle - len(left[0]), right.end(), "PERSON", NAMED)
    for match in _SOUNDED.finditer(text):
        start, end = match.span()
        # The sounds are everyday signs as well: cut what cannot end or begin a name.
        while end - start > 2 and text[end - 1] in "不都和山力多让白加马西别":
            end -= 1
        while end - start > 2 and text[start] in "和不都多让别提加才":
            start += 1
        if end - start >= 2 and text[start:end] not in _KNOWN:
            yield Found(start, end, "PERSON", SHAPED - 0.1)


def _agreed(text: str) -> Iterator[Found]:
    """What jieba takes for a name and whose first sign is a family name; and names of usual signs."""
    for run in _RUN.finditer(text):
        at = run.start()
        for pair in _tagger().cut(run[0]):
            word, start = pair.word, at
            at += len(word)
            if (
                pair.flag in ("nr", "nrfg")
                and len(word) == 3
                and word[0] in SINGLE
                and word[0] not in _EVERYDAY
                and not word.startswith(_KNOWN_FIRST)
                and not _NO_NAME.search(word[1:])
            ):
                yield Found(start, at, "PERSON", GUESSED)
    for match in _SPEAKS.finditer(text):
        if match["name"][0] not in _EVERYDAY and match["name"] not in _KNOWN:
            yield Found(*match.span("name"), "PERSON", GUESSED)
    for match in _USUAL.finditer(text):
        if match[0][0] not in _EVERYDAY and not match[0].startswith(_KNOWN_FIRST):
            behind = text[match.end() : match.end() + 1]
            if not re.match(rf"[{_H}]", behind) or behind in _AFTER:
                yield Found(*match.span(), "PERSON", GUESSED)


@cache
def _tagger() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its setup, which we cannot mend
        import logging

        import jieba
        import jieba.posseg

        jieba.setLogLevel(logging.ERROR)
        jieba.initialize()
    return jieba.posseg.dt
