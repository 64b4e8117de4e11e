"""What may be given beside the necessary: source, reference and metadata, from the request to record and receipt."""

import json
from decimal import Decimal
from typing import Any

import pytest
from payments.protocol.flows import submit
from payments.protocol.ports import Charge
from payments.protocol.record import body, publish, read_record, receipt
from payments.protocol.transactions import InvalidTransactionError, read_transaction
from payments.protocol.values import Payment, intent_of, payment_of, text_of

from tests.payments.memory import PUBLISHED, World
from tests.payments.test_flows import ACCOUNT, RAIL
from tests.payments.test_settlement import YES
from tests.payments.test_transactions import PANS
from tests.simulation.expressions import compile_update

PLAIN: dict[str, Any] = {"id": "T1", "amount": "99.99", "currency": "USD", "timestamp": "2024-01-15T10:30:00Z"}
NOTES: dict[str, Any] = {
    "source": "tok_visa_12345",
    "reference": "Order #7, part 2",
    "metadata": {"shop": "Rome", "a": "ü"},
}
SHOWN = {"source": "****2345", "reference": "Order #7, part 2", "metadata": {"a": "ü", "shop": "Rome"}}


def read(**notes: Any) -> Payment:
    return read_transaction(PLAIN | notes, ACCOUNT)


def test_what_is_absent_leaves_the_bytes_of_before() -> None:
    """The hash of a payment as versions without these members computed it."""
    intent = intent_of(read())
    assert intent.text == (
        '{"account":"123456789012","amount":9999,"currency":"USD","id":"T1","timestamp":1705314600000000}'
    )
    assert intent.hash == "938e0d8fc792b4f38c32516c6337c5f12c7e87348f5417d691f317177eb84b33"


def test_all_that_is_given_is_part_of_the_hash() -> None:
    hashes = [intent_of(read(**NOTES)).hash, intent_of(read()).hash]
    for name, other in (("source", "tok_visa_22345"), ("reference", "x"), ("metadata", {"shop": "Rome"})):
        hashes += [intent_of(read(**NOTES | {name: other})).hash]
        hashes += [intent_of(read(**{k: v for k, v in NOTES.items() if k != name})).hash]
    assert len(set(hashes)) == len(hashes)
    turned = NOTES | {"metadata": {"a": "ü", "shop": "Rome"}}
    assert intent_of(read(**turned)).hash == hashes[0], "the order of metadata means nothing"
    assert payment_of(intent_of(read(**NOTES))) == read(**NOTES)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("source", "tok_123", "must be 8 to 128 of A-Z, a-z, 0-9, _ . : -"),
        ("source", "x" * 129, "must be 8 to 128 of A-Z, a-z, 0-9, _ . : -"),
        ("source", "tok visa 12345", "must be 8 to 128 of A-Z, a-z, 0-9, _ . : -"),
        ("source", None, "must be 8 to 128 of A-Z, a-z, 0-9, _ . : -"),
        ("source", PANS[0], "must not hold card data"),
        ("source", f"tok_{PANS[0]}", "must not hold card data"),
        ("source", {"number": PANS[0]}, "must not hold card data"),
        ("reference", "", "must be 1 to 64 of A-Z, a-z, 0-9, space and _ . , : # / + -"),
        ("reference", "x" * 65, "must be 1 to 64 of A-Z, a-z, 0-9, space and _ . , : # / + -"),
        ("reference", "a\nb", "must be 1 to 64 of A-Z, a-z, 0-9, space and _ . , : # / + -"),
        ("reference", 7, "must be 1 to 64 of A-Z, a-z, 0-9, space and _ . , : # / + -"),
        ("reference", PANS[0], "must not hold card data"),
        ("metadata", {}, "must have 1 to 5 members"),
        ("metadata", [], "must have 1 to 5 members"),
        ("metadata", ["a"], "must have 1 to 5 members"),
        ("metadata", "a", "must have 1 to 5 members"),
        ("metadata", dict.fromkeys("abcdef", "x"), "must have 1 to 5 members"),
        ("metadata", {"a": 1}, "must name 1 to 32 of A-Z, a-z, 0-9, _ - each with 1 to 100 printable characters"),
        ("metadata", {"a": ""}, "must name 1 to 32 of A-Z, a-z, 0-9, _ - each with 1 to 100 printable characters"),
        (
            "metadata",
            {"a": "x" * 101},
            "must name 1 to 32 of A-Z, a-z, 0-9, _ - each with 1 to 100 printable characters",
        ),
        ("metadata", {"a": "x\x1b"}, "must name 1 to 32 of A-Z, a-z, 0-9, _ - each with 1 to 100 printable characters"),
        (
            "metadata",
            {"a" * 33: "x"},
            "must name 1 to 32 of A-Z, a-z, 0-9, _ - each with 1 to 100 printable characters",
        ),
        ("metadata", {"a b": "x"}, "must name 1 to 32 of A-Z, a-z, 0-9, _ - each with 1 to 100 printable characters"),
        ("metadata", {"a": PANS[0]}, "must not hold card data"),
        ("metadata", {"a": {"b": PANS[0]}}, "must not hold card data"),
        ("metadata", {PANS[0]: "x"}, "must not hold card data"),
        ("metadata", {"cvc": "123"}, "must not hold card data"),
        ("metadata", PANS[0], "must not hold card data"),
    ],
)
def test_what_is_unfit_is_refused_and_not_echoed(name: str, value: Any, fault: str) -> None:
    with pytest.raises(InvalidTransactionError) as raised:
        read(**{name: value})
    assert raised.value.faults == ((name, fault),)


def test_the_bounds_are_within() -> None:
    kept = read(source="x" * 128, reference="x" * 64, metadata={f"{each}" * 32: "y" * 100 for each in "abcde"})
    assert len(text_of(kept)) < 1024, "with its intent, a cell stays one write unit"
    assert read(source="tok_1234", reference="x", metadata={"a": "b"}).source == "tok_1234"


def test_an_answer_and_a_receipt_show_the_end_of_the_source() -> None:
    intent = intent_of(read(**NOTES))
    assert body(intent, "SETTLED")["details"] == SHOWN
    assert json.loads(receipt(intent, YES).body)["details"] == SHOWN
    assert "tok_visa" not in json.dumps(body(intent, "SETTLED")) + receipt(intent, YES).body
    assert "details" not in body(intent_of(read()), "SETTLED")


@pytest.mark.parametrize("notes", [NOTES, {"source": "tok_1234"}, {"reference": "x"}, {"metadata": {"a": "b"}}, {}])
def test_a_record_says_what_it_keeps_and_the_results_hash(notes: dict[str, Any]) -> None:
    intent = intent_of(read(**notes))
    write = publish(intent, YES._replace(hash=intent.hash))
    values = dict(write.values)
    record = {attribute: values[name] for attribute, name in PUBLISHED.items() if name in values}
    text = YES.text.replace(YES.hash, intent.hash)
    shown, result = read_record({"TransactionId": "T1", **record, "Content": text})
    assert (shown.hash, result.hash) == (intent.hash, intent.hash)
    assert body(shown, "SETTLED") == body(intent, "SETTLED"), "it can be told from the record alone"
    assert receipt(shown, result).body == receipt(intent, result).body, "and the receipt repeated, byte by byte"
    assert publish(shown, result).values == publish(intent, result).values
    assert ("Details" in record) == bool(notes)
    assert record["Amount"] == Decimal("99.99")


def test_a_record_that_is_there_stays() -> None:
    for notes in (NOTES, {}):
        write = publish(intent_of(read(**notes)), YES)
        apply = compile_update(write.action.update, write.action.condition)
        assert apply({}, write.values)
        assert apply({"TransactionId": "T1", "Content": "another"}, write.values) is None


def test_the_processor_is_told_in_full() -> None:
    world = World()
    world.run(world.context(rail=RAIL), submit(world.context(rail=RAIL), intent_of(read(**NOTES))))
    (charge,) = [request for _, request in world.asked if isinstance(request, Charge)]
    assert (charge.source, charge.reference) == (NOTES["source"], NOTES["reference"])
    assert dict(charge.metadata) == NOTES["metadata"]
