"""What a caller may send: every rule of docs/design.md, "What a caller may send", each fault named, nothing echoed, no
card number let in."""

import json
import random
from decimal import Decimal, getcontext
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from payments.protocol import cards
from payments.protocol.currencies import MINOR_UNITS
from payments.protocol.idempotency import propose
from payments.protocol.record import publish, read_record, transaction
from payments.protocol.transactions import (
    MEMBERS,
    InvalidTransactionError,
    _exact,
    kept_id,
    read_json,
    read_request,
    read_transaction,
)
from payments.protocol.values import Payment, conclude, intent_of

from tests.payments.memory import HOME, World
from tests.simulation.expressions import compile_update

GOOD: dict[str, Any] = {"id": "TXN001", "amount": 99.99, "currency": "USD", "timestamp": "2024-01-15T10:30:00Z"}
ACCOUNT = "123456789012"
# Published test numbers of the networks.
PANS = (
    "4111111111111111",
    "4012888888881881",
    "4222222222222",
    "5555555555554444",
    "5105105105105100",
    "2223003122003222",
    "378282246310005",
    "6011111111111117",
    "3530111333300000",
    "30569309025904",
    "6200000000000005",
    "6759649826438453",
    "2200000000000004",
)


def request(**changed: Any) -> str:
    return json.dumps({"transaction": {**GOOD, **changed}})


def faults(text: str) -> dict[str, str]:
    with pytest.raises(InvalidTransactionError) as raised:
        read_request(text, ACCOUNT)
    return dict(raised.value.faults)


def test_a_good_transaction_is_read_exactly() -> None:
    assert read_request(request(), ACCOUNT) == Payment("TXN001", 9999, "USD", 1_705_314_600_000_000, ACCOUNT)


def test_the_hash_is_that_of_the_payment_not_of_its_spelling() -> None:
    texts = [
        request(),
        request(amount="99.99"),
        request(amount="99.990"),
        request(timestamp="2024-01-15T10:30:00+00:00"),
        request(timestamp="2024-01-15T11:30:00.000000+01:00"),
        request(timestamp=1_705_314_600),
        '{"transaction":{"timestamp":1705314600.000,"currency":"USD","amount":9.9990e1,"id":"TXN001"}}',
    ]
    assert len({intent_of(read_request(text, ACCOUNT)).hash for text in texts}) == 1


@pytest.mark.parametrize(
    ("field", "other"),
    [("id", "TXN002"), ("amount", 99.98), ("currency", "EUR"), ("timestamp", "2024-01-15T10:30:00.000001Z")],
)
def test_every_field_is_in_the_hash(field: str, other: Any) -> None:
    first, second = read_request(request(), ACCOUNT), read_request(request(**{field: other}), ACCOUNT)
    assert intent_of(first).hash != intent_of(second).hash


def test_the_caller_is_in_the_hash() -> None:
    assert intent_of(read_request(request(), ACCOUNT)).hash != intent_of(read_request(request(), "000000000000")).hash


@pytest.mark.parametrize("code", sorted(MINOR_UNITS))
def test_amounts_have_the_decimals_of_their_currency(code: str) -> None:
    units = MINOR_UNITS[code]
    smallest = Decimal(1).scaleb(-units)
    assert read_request(request(currency=code, amount=str(smallest)), ACCOUNT).amount == 1
    finer = request(currency=code, amount=0.00001)
    assert set(faults(finer)) == {"amount"}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": "a" * 65}, "id"),
        ({"id": "a b"}, "id"),
        ({"id": "é"}, "id"),
        ({"id": "a\n"}, "id"),
        ({"id": 7}, "id"),
        ({"id": None}, "id"),
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": "1e2"}, "amount"),
        ({"amount": "٣"}, "amount"),
        ({"amount": ""}, "amount"),
        ({"amount": None}, "amount"),
        ({"amount": [1]}, "amount"),
        ({"amount": 10**12}, "amount"),
        ({"amount": 0.001}, "amount"),
        ({"currency": "usd"}, "currency"),
        ({"currency": "XAU"}, "currency"),
        ({"currency": 840}, "currency"),
        ({"currency": ["USD"]}, "currency"),
        ({"timestamp": "2024-01-15T10:30:00"}, "timestamp"),
        ({"timestamp": "2024-02-30T10:30:00Z"}, "timestamp"),
        ({"timestamp": "2024-01-15"}, "timestamp"),
        ({"timestamp": "2024-W03-1T10:30:00Z"}, "timestamp"),
        ({"timestamp": "2024-01-15T10:30:00.1234567Z"}, "timestamp"),
        ({"timestamp": "1969-12-31T23:59:59Z"}, "timestamp"),
        ({"timestamp": "2200-01-01T00:00:00Z"}, "timestamp"),
        ({"timestamp": "0001-01-01T00:00:00+23:59"}, "timestamp"),
        ({"timestamp": -1}, "timestamp"),
        ({"timestamp": 1.0000001}, "timestamp"),
        ({"timestamp": 10**30}, "timestamp"),
        ({"timestamp": True}, "timestamp"),
        ({"timestamp": "now"}, "timestamp"),
        ({"note": "x"}, "note"),
        ({"cvv": "123"}, "cvv"),
    ],
)
def test_each_rule_names_its_field(changed: dict[str, Any], field: str) -> None:
    assert set(faults(request(**changed))) == {field}


def test_every_fault_is_named_at_once() -> None:
    text = json.dumps({"transaction": {"id": "a b", "amount": -1, "currency": "X", "more": 1}, "other": 2})
    assert set(faults(text)) == {"id", "amount", "currency", "timestamp", "more", "other"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "JSON"),
        ("{", "JSON"),
        ("[]", "object"),
        ("7", "object"),
        ('"x"', "object"),
        ("{}", ""),
        ('{"transaction": []}', "object"),
        ('{"transaction": {"amount": NaN}}', "NaN"),
        ('{"transaction": {"amount": -Infinity}}', "NaN"),
        ('{"transaction": {"id": "a", "id": "b"}}', "twice"),
        ('{"transaction": {}, "transaction": {}}', "twice"),
        ("[" * 100_000, "bytes"),
        ("[" * 16_000, "64 members"),
        ('{"transaction": ' + "[" * 400 + "]" * 400 + "}", "64 members"),
        ('{"transaction": ' + '{"a": ' * 400 + "1" + "}" * 400 + "}", "64 members"),
        ('{"transaction": [' + "1, " * 400 + "1]}", "64 members"),
        ('{"transaction": {"id": "' + "a" * 17_000 + '"}}', "bytes"),
        ('{"transaction": ' + "9" * 5000 + "}", "digits"),
        ('{"transaction": {"amount": 1e9999999999999999999}}', ""),
        ('{"transaction": {"amount": 1e999999}}', ""),
        ('{"transaction": {"amount": 1e-2000000}}', ""),
        ('{"transaction": {"timestamp": 1e999999}}', ""),
        ('{"transaction": "\\ud800"}', "object"),
    ],
)
def test_what_is_no_request_is_refused(text: str, words: str) -> None:
    assert words in " ".join(faults(text).values())


@pytest.mark.parametrize("member", ["amount", "timestamp"])
@pytest.mark.parametrize("number", ["1e-2000000", "1e-29", "0e-2000000", "1e29", "-1e-2000000"])
def test_what_arithmetic_would_round_away_is_refused(member: str, number: str) -> None:
    """1e-2000000 was settled as 0.00."""
    for currency in ("JPY", "USD", "CLF"):
        text = json.dumps({"transaction": {**GOOD, "currency": currency, "amount": 1, member: "?"}})
        assert set(faults(text.replace('"?"', number))) == {member}


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ('{"a": [' + "1, " * (MEMBERS - 2) + "1]}", True),
        ('{"a": [' + "1, " * (MEMBERS - 1) + "1]}", False),
        ("[" * MEMBERS + "]" * MEMBERS, True),
        ("[" * (MEMBERS + 1) + "]" * (MEMBERS + 1), False),
        ('{"a":' * (MEMBERS + 1) + "1" + "}" * (MEMBERS + 1), False),
    ],
)
def test_members_and_depth_are_bounded(text: str, accepted: bool) -> None:
    if accepted:
        read_json(text)
        return
    with pytest.raises(InvalidTransactionError, match="at most 64 members"):
        read_json(text)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"amount": "305693090259.04"}, "amount"),
        ({"amount": "305693090259.0400", "currency": "CLF"}, "amount"),
        ({"amount": Decimal("378282246310.005"), "currency": "KWD"}, "amount"),
        ({"amount": "422222222222.20"}, "amount"),
        ({"timestamp": "2100-04-11T07:18:31.111111Z"}, "timestamp"),
        ({"timestamp": Decimal("4111111111.111111")}, "timestamp"),
        ({"timestamp": Decimal("3782822463.10005")}, "timestamp"),
        ({"timestamp": "1981-12-27T06:24:06.310005Z"}, "timestamp"),
    ],
)
def test_what_would_be_kept_as_the_digits_of_a_card_number_is_refused(changed: dict[str, Any], field: str) -> None:
    """However it is spelled."""
    text = json.dumps({"transaction": {**GOOD, **changed}}, default=lambda number: f"#{number}#")
    assert faults(text.replace('"#', "").replace('#"', "")) == {field: CARD}


def test_an_amount_with_hidden_digits_is_not_rounded() -> None:
    text = request().replace("99.99", "99.99" + "0" * 40 + "1")
    assert set(faults(text)) == {"amount"}


def disguised(pan: str) -> list[str]:
    grouped = [pan[at : at + 4] for at in range(0, len(pan), 4)]
    full_width = "".join(chr(0xFF10 + int(digit)) for digit in pan)
    arabic = "".join(chr(0x0660 + int(digit)) for digit in pan)
    unseen = "\u200b".join(pan)
    return [
        pan,
        "-".join(grouped),
        " ".join(grouped),
        ".".join(grouped),
        f"x{pan}y",
        f"7-{pan}-7",
        full_width,
        arabic,
        unseen,
    ]


@pytest.mark.parametrize("pan", PANS)
def test_card_numbers_are_seen_through_any_disguise(pan: str) -> None:
    superscript = pan.translate({ord(digit): sign for digit, sign in zip("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹", strict=True)})
    for spelling in (*disguised(pan), superscript, f"paid with {pan}.", pan.replace("1", "\uff11")):
        assert cards.in_text(spelling)
        assert cards.inside({"a": [None, {"b": spelling}]})
        assert cards.inside({spelling: 1})
    wrong = pan[:-1] + str((int(pan[-1]) + 1) % 10)
    assert not cards.is_card(wrong)


@pytest.mark.parametrize("pan", PANS)
def test_card_numbers_are_refused_in_every_field_and_never_echoed(pan: str) -> None:
    for spelling in disguised(pan):
        for field in (*GOOD, "note"):
            said = faults(request(**{field: spelling}))
            assert set(said) == {field}
            assert pan not in str(said)
        for changed in ({spelling: "x"}, {"note": {"deep": [spelling]}}, {"amount": int(pan)}, {"timestamp": int(pan)}):
            said = faults(request(**changed))
            assert said
            assert spelling not in str(said)


@pytest.mark.parametrize("pan", PANS)
def test_a_card_number_beside_the_transaction_is_not_echoed(pan: str) -> None:
    said = faults(json.dumps({"transaction": GOOD, pan: pan}))
    assert pan not in str(said)


@pytest.mark.parametrize("pan", PANS)
def test_ids_that_hold_a_card_number_are_refused(pan: str) -> None:
    assert faults(request(id=f"TXN-{pan}")) == {"id": "must not hold card data"}


@pytest.mark.parametrize("pan", PANS)
def test_a_card_number_with_a_tail_is_no_uuid(pan: str) -> None:
    tails = ("a000000000000000", "8bcdef0123456789", "9" * 15 + "a", "b" * 16)
    for tail in tails:
        for text in ((pan + tail + "a" * 16)[:32], (tail + "a" * 16)[: 32 - len(pan)] + pan):
            assert faults(request(id=text)) == {"id": "must not hold card data"}


def test_ordinary_moments_are_no_card_numbers() -> None:
    dice, given = random.Random(7), {**GOOD, "amount": "99.99"}
    for _ in range(2000):
        seconds = dice.randrange(1_000_000_000, 2_200_000_000)
        micros = dice.randrange(10**6)
        payment = read_transaction({**given, "timestamp": Decimal(f"{seconds}.{micros:06}")}, ACCOUNT)
        assert payment.timestamp == seconds * 10**6 + micros
        assert read_transaction({**given, "timestamp": payment.iso}, ACCOUNT) == payment


def test_moments_of_january_2027_are_no_card_numbers() -> None:
    """Though they begin with 1800, as fifteen digits of JCB once did."""
    fractions = [f"1800000000.{digits:05}" for digits in range(100) if cards.is_card(f"1800000000{digits:05}")]
    assert len(fractions) == 10
    for fraction in fractions:
        assert read_transaction({**GOOD, "amount": 1, "timestamp": Decimal(fraction)}, ACCOUNT).timestamp > 0


@pytest.mark.parametrize("name", ["pan", "card_number", "Card-Number", "cardNumber", "CVV", "cvc2", "track1", "PIN"])
def test_fields_for_card_data_are_refused_by_name(name: str) -> None:
    assert list(faults(request(**{name: "x"})).values()) == ["must not hold card data"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
@example({"transaction": {"amount": 1e308}})
def test_anything_at_all_is_read_or_refused(value: Any) -> None:
    for text in (json.dumps(value), json.dumps({"transaction": value}), json.dumps({"transaction": {"id": value}})):
        with pytest.raises(InvalidTransactionError):
            read_request(text, ACCOUNT)


@given(
    id=st.from_regex(r"[A-Za-z_][A-Za-z_-]{0,63}", fullmatch=True),
    amount=st.integers(1, 10**11),
    currency=st.sampled_from(sorted(MINOR_UNITS)),
    timestamp=st.integers(0, 7_258_118_399_999_999),
)
def test_a_payment_survives_being_told_posted_recorded_and_read_again(
    id: str, amount: int, currency: str, timestamp: int
) -> None:
    payment = Payment(id, amount, currency, timestamp, ACCOUNT)
    kept = (str(payment.decimal), str(timestamp), str(timestamp).rstrip("0"))
    assume(not any(map(cards.inside, kept)))  # a moment far from today may be refused by its digits
    intent = intent_of(payment)
    assert read_transaction(transaction(intent), ACCOUNT) == payment
    result = conclude(intent, propose(World().context(), HOME, intent.hash), "SETTLED")
    write = publish(intent, result)
    record = compile_update(write.action.update, write.action.condition)({}, write.values)
    assert record
    assert read_record(record | {"TransactionId": id}) == (intent, result)
    assert record["Timestamp"] == Decimal(timestamp) / 10**6, "in seconds, with what is below one"


CARD = "must not hold card data"
NO_ID = "must be 1 to 64 of A-Z, a-z, 0-9, _ and -"
NO_CURRENCY = "must be an ISO 4217 code such as USD"
NO_NUMBER = "must be a decimal number"
NO_AMOUNT = "must be above 0 and below 10^12"
NO_MOMENT = "must be ISO 8601 with a zone, or seconds since 1970 with 6 decimals"
OTHER_TIMES = "must be in 1970 to 2199"


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"id": "a" * 65}, NO_ID),
        ({"id": 7}, NO_ID),
        ({"currency": "XAU"}, NO_CURRENCY),
        ({"currency": 840}, NO_CURRENCY),
        ({"amount": None}, NO_NUMBER),
        ({"amount": "1234567890123"}, NO_NUMBER),
        ({"amount": "1.23456"}, NO_NUMBER),
        ({"amount": "1."}, NO_NUMBER),
        ({"amount": True}, NO_NUMBER),
        ({"amount": 0}, NO_AMOUNT),
        ({"amount": "0"}, NO_AMOUNT),
        ({"amount": 10**12}, NO_AMOUNT),
        ({"amount": 0.001}, "must have at most 2 decimals in its currency"),
        ({"amount": 1e-28}, "must have at most 2 decimals in its currency"),
        ({"amount": "4111111111111111"}, CARD),
        ({"amount": {"pan": 1}}, CARD),
        ({"timestamp": "now"}, NO_MOMENT),
        ({"timestamp": True}, NO_MOMENT),
        ({"timestamp": -1}, NO_MOMENT),
        ({"timestamp": None}, NO_MOMENT),
        ({"timestamp": "2024-02-30T10:30:00Z"}, NO_MOMENT),
        ({"timestamp": 7_258_118_400}, NO_MOMENT),
        ({"timestamp": "1969-12-31T23:59:59.999999Z"}, OTHER_TIMES),
        ({"timestamp": "2200-01-01T00:00:00Z"}, OTHER_TIMES),
        ({"timestamp": "4111111111111111"}, CARD),
        ({"timestamp": 4111111111111111}, CARD),
        ({"note": "x"}, "is unknown"),
        ({"pan": "x"}, CARD),
        ({"note": {"cvv": 1}}, CARD),
    ],
)
def test_each_fault_in_its_words(changed: dict[str, Any], fault: str) -> None:
    assert list(faults(request(**changed)).values()) == [fault]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", ("", "must be JSON")),
        ("[]", ("", "must be a JSON object with the member `transaction`")),
        ('{"transaction": []}', ("transaction", "must be an object")),
        ("{}", ("transaction", "must be an object")),
        ('{"transaction": {"amount": NaN}}', ("", "must not hold NaN or Infinity")),
        ('{"transaction": {"id": "a", "id": "b"}}', ("", "must not name a member twice")),
        ('{"a": 1' + "0" * 40 + "}", ("", "must not hold numbers of more than 40 digits")),
        ('{"a": "' + "é" * 8189 + '"}', ("", "must be at most 16384 bytes")),
    ],
)
def test_each_fault_of_a_body_in_its_words(text: str, fault: tuple[str, str]) -> None:
    with pytest.raises(InvalidTransactionError) as raised:
        read_request(text, ACCOUNT)
    assert raised.value.faults == (fault,)
    assert str(raised.value) == f"{fault[0] or 'body'} {fault[1]}"


def test_all_faults_in_one_text() -> None:
    error = InvalidTransactionError(("", "is bad"), ("id", "is worse"))
    assert str(error) == "body is bad; id is worse"


@pytest.mark.parametrize(
    ("changed", "field", "value"),
    [
        ({"id": "A"}, "id", "A"),
        ({"id": "aZ09_-" + "b" * 58}, "id", "aZ09_-" + "b" * 58),
        ({"amount": "0.01"}, "amount", 1),
        ({"amount": "999999999999.99"}, "amount", 99999999999999),
        ({"amount": 999999999999.99}, "amount", 99999999999999),
        ({"amount": "1.0000"}, "amount", 100),
        ({"amount": "12.34", "currency": "CLF"}, "amount", 123400),
        ({"timestamp": 0}, "timestamp", 0),
        ({"timestamp": 0.000001}, "timestamp", 1),
        ({"timestamp": "1970-01-01T00:00:00Z"}, "timestamp", 0),
        ({"timestamp": "1970-01-01 00:01Z"}, "timestamp", 60_000_000),
        ({"timestamp": "1970-01-01t00:00:01.5z"}, "timestamp", 1_500_000),
        ({"timestamp": "1970-01-01T01:00:00.000001+01:00"}, "timestamp", 1),
        ({"timestamp": "1970-01-01T01:00:00.000001+0100"}, "timestamp", 1),
        ({"timestamp": "2199-12-31T23:59:59.999999Z"}, "timestamp", 7_258_118_399_999_999),
        ({"timestamp": 7_258_118_399}, "timestamp", 7_258_118_399_000_000),
    ],
)
def test_what_is_taken_up_to_its_limits(changed: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(read_request(request(**changed), ACCOUNT), field) == value


def test_a_body_up_to_its_limit_is_read() -> None:
    text = request()
    assert read_request(text + " " * (16 * 1024 - len(text)), ACCOUNT).id == "TXN001"
    with pytest.raises(InvalidTransactionError, match="at most 16384 bytes"):
        read_request(text + " " * (16 * 1024 - len(text) + 1), ACCOUNT)


def test_numbers_up_to_forty_digits_are_read() -> None:
    assert read_json('{"a": ' + "9" * 40 + "}") == {"a": int("9" * 40)}
    assert read_json("[1.50, 2]") == [Decimal("1.50"), 2]


def test_names_of_unknown_members_are_told_where_they_are_harmless() -> None:
    assert set(faults(request(**{"a" * 32: 1}))) == {"a" * 32}
    for name in ("a" * 33, "a1", "é", ""):
        assert set(faults(request(**{name: 1}))) == {"(a member)"}
    assert set(faults(json.dumps({"transaction": GOOD, "more_": 1}))) == {"more_"}


def test_a_currency_that_is_bad_leaves_the_rest_of_the_amount_to_be_checked() -> None:
    assert set(faults(request(currency="XXX", amount=-1))) == {"currency", "amount"}
    assert set(faults(request(currency="XXX", amount="0.0001"))) == {"currency"}
    assert set(faults(request(currency="XXX"))) == {"currency"}


def test_a_merchants_id_is_kept_as_its_own() -> None:
    assert read_request(request(), ACCOUNT, "shop").id == "shop:TXN001"
    assert kept_id("T1", "shop") == "shop:T1"
    assert kept_id("T1") == "T1"
    assert kept_id(7) is None


def test_only_signs_of_structure_count_as_members() -> None:
    assert read_request(request(id="X" * 64, reference="XX"), ACCOUNT).id == "X" * 64
    with pytest.raises(InvalidTransactionError) as refused:
        read_request("[" * 65, ACCOUNT)
    assert refused.value.faults == (("", "must have at most 64 members"),)


def test_a_moment_that_would_be_kept_as_a_card_number_is_refused() -> None:
    """Microseconds of 2040 look like a Mastercard."""
    with pytest.raises(InvalidTransactionError) as refused:
        read_request(request(timestamp=2221000000.000009), ACCOUNT)
    assert refused.value.faults == (("timestamp", "must not hold card data"),)


def test_arithmetic_is_exact_with_as_many_digits_as_its_context_has() -> None:
    assert getcontext().prec == 28
    assert _exact(Decimal(f"1.{'0' * 27}"))
    assert not _exact(Decimal(f"1.{'0' * 28}"))
    assert not _exact(Decimal("NaN"))
