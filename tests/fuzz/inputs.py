"""What anybody might send: mostly close to what is right, so that it gets far, with card numbers hidden here and there.

Each strategy gives what is sent, and the card number in it that must not get anywhere; "" where there is none.
"""

import base64
import json
import random
import unicodedata
from typing import Any

from hypothesis import strategies as st

from tests.payments.memory import REGIONS
from tests.payments.test_disguises import CARDS, EVERYWHERE, IN_IDS

DISGUISES = (IN_IDS | EVERYWHERE).values()
NAMES = ("id", "amount", "currency", "timestamp")
ODD_TEXTS = (
    "",
    "null",
    "__proto__",
    "../..",
    "[red]",
    "\x1b[2J",
    "\u202e",
    "%00",
    "${jndi}",
    "'; --",
    "٣",
    "1e400",
    "-0",
)
ODD_NUMBERS = (
    "1e-2000000",
    "1e999999",
    "-1e-9",
    "NaN",
    "-Infinity",
    "9" * 41,
    "0." + "0" * 50 + "1",
    "1E+2",
    "-0",
    "01",
)

texts = st.sampled_from(ODD_TEXTS) | st.text(max_size=40)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
hidden = st.builds(
    lambda pan, disguise, seed: (pan, disguise(pan, random.Random(seed))),
    st.sampled_from(CARDS),
    st.sampled_from([*DISGUISES]),
    st.integers(0, 99),
)
"""A card number, and a text that holds it."""
ids = st.from_regex(r"[A-Za-z_-]{1,20}", fullmatch=True) | st.uuids(version=4).map(str)
amounts = st.integers(1, 10**9) | st.decimals("0.01", 10**9, places=2).map(str) | st.sampled_from((99.99, "12.5", 1e3))
moments = st.sampled_from(("2024-01-15T10:30:00Z", "2026-11-28 10:30+01:00", 1_705_314_600, 1_705_314_600.25))


def nested(levels: int, *, lists: bool) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if lists else {"a": value}
    return value


depths = st.builds(lambda levels, lists: nested(levels, lists=lists), st.sampled_from((2, 400, 400)), st.booleans())


@st.composite
def transactions(draw: st.DrawFn) -> tuple[dict[str, Any], str]:
    """The members of a transaction, right or with up to two faults."""
    currency = draw(st.sampled_from(("USD", "EUR", "GBP")))
    members = {"id": draw(ids), "amount": draw(amounts), "currency": currency, "timestamp": draw(moments)}
    planted = ""
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from(NAMES))
        match draw(st.sampled_from(("card", "card", "name", "drop", "odd", "more", "deep"))):
            case "card":
                planted, text = draw(hidden)
                form = draw(st.sampled_from(("text", "list", "number", "more")))
                held: Any = [text] if form == "list" else int(planted) if form == "number" else text
                members[name if form != "more" else "note"] = held
            case "name":
                planted, text = draw(hidden)
                members[text] = draw(scalars)
            case "drop":
                members.pop(name, None)
            case "odd":
                members[name] = draw(anything)
            case "more":
                members[draw(texts)] = draw(anything)
            case "deep":
                members[name] = draw(depths)
    still = planted and planted in digits_in(members)
    return members, planted if still else ""


def digits_in(value: Any) -> str:
    """Its digits, of any script, one after the other."""
    signs = unicodedata.normalize("NFKC", json.dumps(value, ensure_ascii=False))
    numbers = (unicodedata.numeric(sign, -1) for sign in signs)
    return "".join(str(int(number)) for number in numbers if number in range(10))


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, str]:
    """The text of a POST."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.text(max_size=60) | anything.map(json.dumps)), ""
    members, planted = draw(transactions())
    body: dict[str, Any] = {"transaction": members}
    if draw(st.integers(0, 9)) == 0:
        body[draw(texts)] = draw(anything)
    odd = draw(st.sampled_from(("", "", "", "amount", "timestamp")))
    if odd:
        members[odd] = "#odd#"
    text = json.dumps(body, ensure_ascii=draw(st.booleans()))
    text = text.replace('"#odd#"', draw(st.sampled_from(ODD_NUMBERS)))
    planted = planted if planted in digits_in(members) else ""
    match draw(st.integers(0, 19)):
        case 2:
            text = text[: draw(st.integers(0, len(text)))]
        case 3:
            text = text[:-1] + ', "transaction": {}}'
        case 4:
            text += " " * draw(st.sampled_from((1, 17_000)))
    return text, planted


@st.composite
def requests(draw: st.DrawFn) -> tuple[dict[str, Any], str]:
    """An event of API Gateway's proxy integration."""
    planted, text = draw(hidden)
    extra = {draw(st.sampled_from(("x-note", "x-test-fault", "Idempotency-Key"))): draw(st.sampled_from((text, "x")))}
    event: dict[str, Any] = {
        "headers": draw(st.sampled_from((None, extra))),
        "queryStringParameters": draw(st.sampled_from((None, extra))),
        "requestContext": {"path": "/prod/payments", "identity": {"accountId": "123456789012"}},
        "isBase64Encoded": False,
    }
    if draw(st.booleans()):
        body, inside = draw(bodies())
        event |= {"httpMethod": "POST", "body": body}
        if draw(st.integers(0, 9)) == 0:
            event |= {"body": base64.b64encode(body.encode("utf-8", "replace")).decode(), "isBase64Encoded": True}
        return event, inside or planted
    asked = draw(st.sampled_from((text, text)) | texts | ids)
    parameters = draw(st.sampled_from((None, {"id": asked}, {"id": asked}, {"id": asked})))
    return event | {"httpMethod": "GET", "body": None, "pathParameters": parameters}, planted


@st.composite
def inputs(draw: st.DrawFn) -> tuple[Any, str]:
    """The input of an execution."""
    if draw(st.integers(0, 9)) == 0:
        return draw(anything), ""
    members, planted = draw(transactions())
    fields: dict[str, Any] = (
        {"transaction": members} if draw(st.integers(0, 3)) else {"transactionId": members.get("id")}
    )
    planted = planted if planted and planted in digits_in(fields) else ""
    hop = {"region": REGIONS[0], "failover": "true", "next": "", "tried": [REGIONS[0]], "reason": "x", "error": "y"}
    fields |= draw(st.sampled_from(({}, {}, hop, {"account": "123456789012"})))
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from((*hop, "account", "hash", "transactionId", "more")) | texts)
        if draw(st.booleans()):
            planted, fields[name] = draw(hidden)
        else:
            fields[name] = draw(anything | depths)
    return fields, planted if planted and planted in digits_in(fields) else ""
