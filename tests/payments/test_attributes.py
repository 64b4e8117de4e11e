"""Plain values and DynamoDB's JSON: botocore's own conversion is the judge."""

import json
from decimal import Decimal
from typing import Any, cast

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st
from payments.attributes import plain, typed, typed_text

values = st.text() | st.integers(0, 10**30) | st.decimals(0, 10**12, places=3)


@given(values)
def test_what_is_written_is_what_boto3_reads(value: str | int | Decimal) -> None:
    assert TypeDeserializer().deserialize(cast("Any", typed(value))) == value
    assert json.loads(typed_text(value)) == typed(value)


@given(values)
def test_what_boto3_writes_is_read(value: str | int | Decimal) -> None:
    assert plain({"x": TypeSerializer().serialize(value), "other": {"BOOL": True}}) == {"x": value}


@pytest.mark.parametrize(("digits", "kind"), [("0", int), ("1705314600000000", int), ("9.50", Decimal)])
def test_whole_numbers_are_whole(digits: str, kind: type) -> None:
    """As JSON has them: a Decimal has no form there."""
    assert type(plain({"x": {"N": digits}})["x"]) is kind


def test_amounts_are_written_without_exponents() -> None:
    assert typed(Decimal("1E+3")) == {"N": "1000"}
    assert typed_text(Decimal("9.50")) == '{"N":"9.50"}'
