"""Words that say what the number beside them is: "order #", "tracking", "SKU", "订单号", "型号".

A label of ``NOTHING`` says that the number is no personal one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

NOTHING: Final = "NOTHING"
# Characters between a label and its number, before and behind it.
REACH_BEFORE: Final = 45
REACH_BEHIND: Final = 34
SENTENCE: Final = 20
_END: Final = re.compile(r"[.!?;]\s|[。\uff01\uff1f；]")

# Where two could begin at the same place the first one counts: "gift card" before "card".
_ENGLISH: Final = {
    NOTHING: r"skus?|asin|upc(?:-a)?|ean(?:-?13)?|gtin|isbn(?:-1[03])?|issn|imei|meid|nsn|mac(?= (?:address|on|:))"
    r"|serial(?: (?:number|no\.?|#))?|s/n|model(?: (?:number|no\.?|#))?|style(?: (?:number|no\.?|#))"
    r"|(?:item|article|part|product|catalog(?:ue)?|case|ticket|incident|reference image|patent)"
    r" ?(?:number|numbers|code|codes|no\.?|id|#)|part #|batch|lot(?= ?[#:0-9A-Z]*\d)|version|firmware|driver"
    r"|build|software|release|os(?= [\d(])|bar ?codes?|date code|timestamp|unix time|epoch"
    r"|coupons?|promo(?:tion)?(?: code)?"
    r"|discount code|best by|expires|licen[cs]e key|invoice(?: (?:number|no\.?|#))?|color code"
    r"|hex|dimensions|pin(?: code)?"
    r"|otp|subnet|gateway|zip(?: code)?",
    "GIFT_CARD": r"(?:e-?)?gift[ -]?(?:cards?|codes?|certificates?|vouchers?)|e-?gifts?|vouchers?"
    r"|store credit|prepaid code"
    r"|gc(?= ?[#:])|(?<=\$\d\d )cards?(?= )|redeem(?:ed)?|balance(?: of)?|scratch(?:ed)? (?:off )?code",
    "LOYALTY_NUMBER": r"loyalty(?: (?:card|id|number|account|program(?:me)?))?|rewards?(?: (?:card|id|number"
    r"|account|member))?"
    r"|member(?:ship)?(?: (?:since|id|number|no\.?|card|#))*|(?:points?|club|punch|reader"
    r"|shopper|bonus|perks) (?:card|no\.?|id|number|account)"
    r"|customer (?:number|no\.?|id|#)|points(?= (?:to|on|go))|frequent \w+(?: card)?",
    "US_SSN": r"ssns?|ss ?#|socials?(?: security)?(?: (?:number|no\.?|#))?|social insurance",
    "TRACKING_NUMBER": r"track(?:ing|ed)?(?: (?:number|no\.?|id|#|code))?|waybill|airbill|parcels?|packages?"
    r"|shipments?|shipping label"
    r"|ups|usps|fedex|fed ex|dhl|ontrac|lasership|royal mail|canada post|carrier|customs",
    "CREDIT_CARD": r"(?:credit|debit|bank|visa|master|charge) ?cards?|visa|mastercard|amex|american express|discover"
    r"|card(?: (?:number|no\.?|#))?|charged|pa(?:id|y|ying) with|billed",
    "ORDER_NUMBER": r"(?:purchase |sales |pre-?)?orders?(?: (?:number|numbers|no\.?|id|ref(?:erence)?|#))?|rmas?"
    r"|returns?(?: (?:number|no\.?|id|auth(?:ori[sz]ation)?|#|label))?"
    r"|confirmation(?: (?:number|no\.?|code|#))|po(?= ?[#:\d])"
    r"|order(?:ed)? under",
    "PHONE_NUMBER": r"call(?:s|ed|ing)?|(?:tele)?phones?|phoned|cell(?:phone)?|mobile|tel|text(?:ed)?"
    r"|dial(?:ed)?|reach|ring|fax"
    r"|sms|whatsapp|landline|area code|(?:his|her|my|your|the|new|old|their) number(?:'s)?|contact|number ok",
    "IP_ADDRESS": r"ips?(?: address(?:es)?)?|log-?ins?|logged in|sessions?|address on the internet",
}
_CHINESE: Final = {
    NOTHING: r"型号|货号|款号|序列号|机身号?|条形?码|批号|批次|生产日期|许可证|准字|备案|版本|固件"
    r"|优惠码|优惠券码|折扣码|口令|流水|系统"
    r"|软件|驱动|sku|isbn|issn|ean|upc|imei|掩码|网关|蓝屏|客服热线|热线|邮编|验证码|发票号"
    r"|税号|工号|房间号|尾号|执照|编码器|示例",
    "GIFT_CARD": r"(?:礼品|购物|充值|储值|提货|电子|礼金|油|猫超|沃尔玛|京东e|e|代金|点|话费|蛋糕|月饼"
    r"|星礼)卡(?:券)?(?:号|密码|密|序列)?|卡密"
    r"|兑换(?:码|券)|代金券|提货(?:券|码)|券码|券号|影票|电影票|充值码?|抵用券|序列(?!号)|卡券",
    "LOYALTY_NUMBER": (
        r"(?:老|新|母婴|年卡|学生|plus|黄金|钻石|企业)?会员(?:卡|号|编[码号]|id|码|账号)*"
        r"|积分(?:卡|号)?|vip|山姆卡?|贵宾卡?号?|开市客|俱乐部"
    ),
    "CN_ID": r"身份证(?:号码?)?|证件(?:号码?)?|证号|清关|实名|身份证明",
    "TRACKING_NUMBER": r"(?:运|快递|物流|取件|包裹|邮政|快件|面|顺丰|圆通|中通|申通|韵达|极兔|ups|ems"
    r"|京东物流)单(?:号|编号)?|快递|快件|包裹|顺丰|圆通|中通|申通"
    r"|韵达|百世|极兔|德邦|邮政|挂号|跨越|丰网|菜鸟|裹裹|单号(?=[a-z]{2})|ems|ups|usps|dhl"
    r"|fedex|物流|京东快递|安能|天天快递|宅急送|国际件|转运",
    "CREDIT_CARD": r"(?:银行|信用|储蓄|借记|工行|建行|招行|农行|中行|交行|银联|光大|还款|支付|收款|贷记|邮储"
    r"|平安|浦发|民生|兴业|中信|广发|华夏)卡?(?:号|号码)?"
    r"|卡号|账户|账号|户名|卡(?=[是为:：]?[\d ]{8})|visa|万事达|绑的卡",
    "ORDER_NUMBER": r"(?:采购|退货|退款|换货|售后|预售|销售|交易|淘宝|拼多多|天猫|京东)?订?单(?:号|编号|据号)?"
    r"|订单|淘宝|拼多多|天猫|京东|唯品会|饿了么|美团|抖音|po"
    r"|交易号|退货|下单|售后|仅?退款(?=申请|入口|那单)",
    "PHONE_NUMBER": r"电话|手机(?:号码?)?|座机|致电|联系|拨打|打|tel|call|号码|回电|微信",
    "IP_ADDRESS": r"ip(?:地址)?|登录|登陆|来源|出口|注册",
}


@dataclass(frozen=True, slots=True)
class Label:
    """A label's place in the text, and what it says."""

    start: int
    end: int
    type: str


@cache
def _pattern(locale: str) -> re.Pattern[str]:
    if locale == "zh":
        words = "|".join(f"(?P<{name}>{pattern})" for name, pattern in _CHINESE.items())
        return re.compile(words, re.IGNORECASE)
    words = "|".join(f"(?P<{name}>{pattern})" for name, pattern in _ENGLISH.items())
    return re.compile(rf"(?<![A-Za-z])(?:{words})(?![A-Za-z])", re.IGNORECASE)


def labels_in(text: str, locale: str) -> list[Label]:
    """All labels of a text, in their order.

    >>> [(label.type, text[label.start:label.end]) for text in ["My order # 5"] for label in labels_in(text, "en")]
    [('ORDER_NUMBER', 'order #')]
    """
    return [Label(m.start(), m.end(), m.lastgroup or "") for m in _pattern(locale).finditer(text)]


def labels_of(text: str, start: int, end: int, labels: list[Label]) -> list[tuple[str, int]]:
    """What the number at [start, end) may be by the labels around it, nearest first, each with its distance.

    Labels in front, within reach; behind them those after the number, as if they stood
    farther off than any in front.

    >>> text = "Order 77-2093118, SKU 100482211"
    >>> labels_of(text, 22, 31, labels_in(text, "en"))
    [('NOTHING', 1), ('ORDER_NUMBER', 17)]
    """
    before, behind = [], []
    for label in labels:
        if label.end <= start and start - label.end <= REACH_BEFORE:
            gap = text[label.end : start]
            if "\n\n" in gap:
                continue
            # A sentence's end between them makes it farther.
            before.append((label.type, start - label.end + SENTENCE * bool(_END.search(gap))))
        elif end <= label.start <= end + REACH_BEHIND:
            gap = text[end : label.start]
            # "model", "version" and "IP" stand in front of what they say.
            if label.type in (NOTHING, "IP_ADDRESS") or "\n" in gap or _END.search(gap):
                continue
            behind.append((label.type, label.start - end + REACH_BEFORE))
    near = [one for one in before if one[1] <= REACH_BEFORE]
    return sorted(near, key=lambda one: one[1]) + sorted(behind, key=lambda one: one[1])


def label_of(text: str, start: int, end: int, labels: list[Label]) -> tuple[str | None, int]:
    """The first of :func:`labels_of`, or None at a distance beyond reach.

    >>> label_of("just 5", 5, 6, [])
    (None, 99)
    """
    return next(iter(labels_of(text, start, end, labels)), (None, 99))
