"""What is personal in a shop's text, and what only looks like it."""

from __future__ import annotations

import pytest

from audit.privacy.pii import Detector
from audit.privacy.pii.values import Found, resolve


def values(detector: Detector, text: str) -> list[tuple[str, str]]:
    return [(found.type, text[found.start : found.end]) for found in detector([text])[0]]


ENGLISH = [
    ("Hello, this is Tamika Washington.", "PERSON", "Tamika Washington"),
    ("Ask for Mr. O'Brien at the desk.", "PERSON", "O'Brien"),
    ("Write to kasia_w@shop.example please", "EMAIL_ADDRESS", "kasia_w@shop.example"),
    ("Call (404) 555-0132 after five", "PHONE_NUMBER", "(404) 555-0132"),
    ("my mobile is 07700 900417", "PHONE_NUMBER", "07700 900417"),
    (
        "It went to 418 Birchwood Ln Apt 3, Dayton, OH 45419.",
        "STREET_ADDRESS",
        "418 Birchwood Ln Apt 3, Dayton, OH 45419",
    ),
    ("ship to P.O. Box 1182, Bend, OR 97709", "STREET_ADDRESS", "P.O. Box 1182, Bend, OR 97709"),
    ("order #77-2093118 is late", "ORDER_NUMBER", "77-2093118"),
    ("your return RMA-203318", "ORDER_NUMBER", "RMA-203318"),
    ("It says 1Z999AA10123456784 is on its way", "TRACKING_NUMBER", "1Z999AA10123456784"),
    ("FedEx 7913 6794 7759 never came", "TRACKING_NUMBER", "7913 6794 7759"),
    ("registered as RR473124829FI", "TRACKING_NUMBER", "RR473124829FI"),
    ("gift card 6280 3917 0044 8265 is empty", "GIFT_CARD", "6280 3917 0044 8265"),
    ("Code N3WY-RK41-PP0S-22LX does not work", "GIFT_CARD", "N3WY-RK41-PP0S-22LX"),
    ("my rewards number is 8004412290", "LOYALTY_NUMBER", "8004412290"),
    ("charged to 4539 8386 5768 7179 twice", "CREDIT_CARD", "4539 8386 5768 7179"),
    ("SSN 518 44 7093", "US_SSN", "518 44 7093"),
    ("a login from 66.249.18.203", "IP_ADDRESS", "66.249.18.203"),
    ("out of 2601:645:8200:41::9e again", "IP_ADDRESS", "2601:645:8200:41::9e"),
]
CHINESE = [
    ("收货人改成欧阳若溪，谢谢", "PERSON", "欧阳若溪"),
    ("找黄先生取件", "PERSON", "黄"),
    ("阿依古丽·艾合买提要的", "PERSON", "阿依古丽·艾合买提"),
    ("发票发到qinyue@shop.cn就行", "EMAIL_ADDRESS", "qinyue@shop.cn"),
    ("打13917284056这个", "PHONE_NUMBER", "13917284056"),
    ("座机0531-8293 4417", "PHONE_NUMBER", "0531-8293 4417"),
    ("寄到成都市武侯区桐梓林东路6号附9号可以吗", "STREET_ADDRESS", "成都市武侯区桐梓林东路6号附9号"),
    ("订单号2398471650283746152", "ORDER_NUMBER", "2398471650283746152"),
    ("顺丰SF3019284756601到哪了", "TRACKING_NUMBER", "SF3019284756601"),
    ("圆通YT8830291746502", "TRACKING_NUMBER", "YT8830291746502"),
    ("卡密：GC8827-KX40-19TE", "GIFT_CARD", "GC8827-KX40-19TE"),
    ("会员号5590218846", "LOYALTY_NUMBER", "5590218846"),
    ("退到6225751234567893", "CREDIT_CARD", "6225751234567893"),
    ("登录IP是117.136.48.92", "IP_ADDRESS", "117.136.48.92"),
    ("身份证11010519491231002X", "CN_ID", "11010519491231002X"),
    ("车是沪A·8F3K2", "CN_PLATE", "沪A·8F3K2"),
    ("新能源沪AD28816", "CN_PLATE", "沪AD28816"),
]
NOTHING_ENGLISH = [
    "UPC 048917859915 and EAN 4006381333931",
    "ISBN 978-5-4689-0082-6, page 211",
    "logged at 1700000000, then at 1700000000123",
    "Model no. WF45T6000AW/A5, firmware 7.4.9.2, build 22H2",
    "IMEI 352780093238344 is on the box",
    "$1,204.56 on 2024-01-05 at 10:42, size 32x34, 1.75 kg",
    "call 1-800-555-0100 for help",
    "The sticker says 4111 2222 3333 4445",
    "the router is at 192.168.1.1",
    "My Calvin Klein jeans, the Taylor Swift book, a Michael Kors wallet",
    "Delivered to Austin in April, not to Charlotte",
    "Use SAVE20 for 20 percent off",
]
NOTHING_CHINESE = [
    "商品条码6901234567892，批号20240315A",
    "型号HEM-7136，固件v10.0.19045.3930",
    "王老吉和李锦记都买了，中山路那家店太吵",
    "身份证110105194912310021的校验码不对",
    "客服热线400-820-8820打不通",
    "生产许可证SC10632058100247",
    "尺寸1800*2000*50，价格199.00元",
]


@pytest.mark.parametrize(("text", "kind", "value"), ENGLISH)
def test_english_values_are_found(english: Detector, text: str, kind: str, value: str) -> None:
    assert (kind, value) in values(english, text)


@pytest.mark.parametrize(("text", "kind", "value"), CHINESE)
def test_chinese_values_are_found(chinese: Detector, text: str, kind: str, value: str) -> None:
    assert (kind, value) in values(chinese, text)


@pytest.mark.parametrize("text", NOTHING_ENGLISH)
def test_digits_and_brands_of_a_shop_are_not_personal(english: Detector, text: str) -> None:
    assert values(english, text) == []


@pytest.mark.parametrize("text", NOTHING_CHINESE)
def test_chinese_digits_and_brands_are_not_personal(chinese: Detector, text: str) -> None:
    assert values(chinese, text) == []


def test_the_word_beside_a_number_decides_what_it_is(english: Detector) -> None:
    number = "55120-7783"
    kinds = {
        word: [kind for kind, value in values(english, f"The {word} {number} is wrong.") if value == number]
        for word in ("order number", "member number", "gift card", "SKU", "batch")
    }
    assert kinds == {
        "order number": ["ORDER_NUMBER"],
        "member number": ["LOYALTY_NUMBER"],
        "gift card": ["GIFT_CARD"],
        "SKU": [],
        "batch": [],
    }


def test_what_overlaps_gives_way_to_the_surer_and_then_to_the_longer() -> None:
    checked, named, guessed = Found(5, 9, "A", 0.95), Found(0, 9, "B", 0.9), Found(8, 30, "C", 0.5)
    assert resolve([guessed, named, checked]) == [checked]
    assert resolve([Found(0, 4, "B", 0.9), Found(2, 9, "A", 0.9)]) == [Found(2, 9, "A", 0.9)]
    assert resolve([guessed, Found(0, 4, "B", 0.9)]) == [Found(0, 4, "B", 0.9), guessed]
