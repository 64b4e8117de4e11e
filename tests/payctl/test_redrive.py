"""What a workflow is started with again."""

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from payctl import card_numbers
from payctl.environment import Environment
from payctl.outcomes import untold
from payctl.outcomes.untold import Told
from payctl.payments.dead_letters import Letter
from payctl.payments.redrive import content_of, require_valid
from stacksets.errors import ToolError

CARD = "4111111111111111"
REPAIRED = {"id": "T1", "amount": "1.00", "currency": "EUR", "timestamp": "2024-01-15T10:30:00Z"}


def letter(**fields: object) -> Letter:
    return Letter(region="eu-west-1", message_id="m", reason="", payment="T1", input=fields or None, handle="h")


def test_a_repaired_transaction_takes_the_place_of_all_that_was_there() -> None:
    assert content_of(letter(transactionId="T2", hash="h"), REPAIRED) == {"transaction": REPAIRED}
    assert content_of(letter(), REPAIRED) == {"transaction": REPAIRED}


def test_what_is_not_repaired_is_put_back_as_it_was() -> None:
    whole = letter(transactionId="T1", hash="h")
    assert content_of(whole, None) == whole.input


def test_a_repaired_transaction_is_judged_before_anything_is_started() -> None:
    require_valid(REPAIRED, "111122223333")
    for wrong in (REPAIRED | {"id": CARD}, REPAIRED | {CARD: "x"}, REPAIRED | {"amount": -1}):
        with pytest.raises(ToolError, match="not valid") as refused:
            require_valid(wrong, "111122223333")
        assert CARD not in str(refused.value)


PLACE = {"streamArn": "arn", "shardId": "shard", "startSequenceNumber": "1", "endSequenceNumber": "2"}


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"DDBStreamBatchInfo": PLACE}, {"stream": "arn", "shard": "shard", "first": "1", "last": "2"}),
        ({"untold": "T1", "reason": "its record cannot be read"}, {"payment": "T1"}),
        ({"DDBStreamBatchInfo": {**PLACE, "streamArn": None}}, None),
        ({"untold": 1}, None),
        ({"transactionId": "T1"}, None),
        ([], None),
    ],
)
def test_letters_of_outcome_events_are_known_from_others(body: object, names: object) -> None:
    assert untold.named(json.dumps(body)) == names
    assert untold.named("{") is None


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("resolve", "T1", "--settled", CARD), "--settled"),
        (("resolve", "T1", "--not-charged", "--reason", f"card {CARD}"), "--reason"),
        (("pay", f"--id={CARD}"), "--id"),
        (("logs", CARD), "an argument"),
        (("logs", f"--{CARD}"), "an argument"),
        ((CARD,), "an argument"),
    ],
)
def test_an_argument_with_a_card_number_is_refused_by_its_name(arguments: tuple[str, ...], named: str) -> None:
    with pytest.raises(ToolError) as refused:
        card_numbers.refuse_in_arguments(arguments)
    assert str(refused.value) == f"{named} holds what looks like a card number; leave it out: it is never kept"


def test_other_arguments_pass() -> None:
    card_numbers.refuse_in_arguments(("pay", "--id", "6ba7b810-9dad-41d1-80b4-00c04fd430c8", "--amount", "123456.78"))


@pytest.mark.parametrize(
    "text",
    [
        f'[options]\nalert_email = "{CARD}@example.com"',
        f"[tags]\nx = {json.dumps(CARD)} # more",
        f'[tags]\n"{CARD}" = "x"',
        f"# {CARD}",
        'x = """\n4111\n1111\n1111\n1111\n"""',
        f"not TOML {CARD}",
    ],
)
def test_settings_with_a_card_number_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "deployment.toml"
    file.write_text(text)
    with pytest.raises(ToolError, match="looks like a card number") as refused:
        card_numbers.refuse_in_settings(file, {})
    assert CARD not in str(refused.value)


def test_settings_without_and_names_of_what_exists_pass(tmp_path: Path) -> None:
    file = tmp_path / "deployment.toml"
    file.write_text(f'[domain]\ncertificate_arns = ["arn:aws:acm:us-east-1:111122223333:certificate/{CARD}"]\n')
    card_numbers.refuse_in_settings(file, {"ENVIRONMENT_SUFFIX": "dev"})
    card_numbers.refuse_in_settings(Path("deployment.toml"), {})
    card_numbers.refuse_in_settings(tmp_path / "missing.toml", {})
    with pytest.raises(ToolError, match="ENVIRONMENT_SUFFIX"):
        card_numbers.refuse_in_settings(file, {"ENVIRONMENT_SUFFIX": "x378282246310005"})


@pytest.mark.parametrize(
    ("pages", "told"),
    [
        ([[1, 2, 3, 4, 5]], [1, 2, 3, 4]),
        ([[1, 2], [], [3, 4, 5]], [1, 2, 3, 4]),
        ([[], [], [1, 2], [3, 5]], [1, 2, 3]),
        ([[1, 2], [3]], []),
        ([[1, 2], *[[]] * 200], []),
        ([], []),
    ],
    ids=["one page", "an empty one between", "the last is gone", "a shard that ends", "an open one", "nothing"],
)
def test_what_a_letter_names_in_a_stream_is_told_whole_or_not_at_all(pages: list[list[int]], told: list[int]) -> None:
    """A letter whose records were told in part would be deleted, and the others with it."""
    left, asked = iter(pages), list[str]()

    def get_records(ShardIterator: str) -> Any:
        asked.append(ShardIterator)
        records = [{"dynamodb": {"SequenceNumber": str(number)}} for number in next(left, [])]
        return {"Records": records, "NextShardIterator": None if len(asked) >= len(pages) else "next"}

    streams = SimpleNamespace(get_shard_iterator=lambda **_: {"ShardIterator": "first"}, get_records=get_records)
    cloud = SimpleNamespace(target_client=lambda *_: streams)
    environment = cast("Environment", SimpleNamespace(cloud=cloud))
    place = {"stream": "s", "shard": "x", "first": "1", "last": "4"}
    found = untold._streamed(environment, "eu-west-1", place)
    assert [int(each["dynamodb"]["SequenceNumber"]) for each in found] == told
    assert len(asked) <= 1 + untold.EMPTY_PAGES


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"batchItemFailures": [], "unreadable": []}, Told.ALL),
        ({"batchItemFailures": [{"itemIdentifier": "0"}], "unreadable": ["0"]}, Told.NEVER),
        ({"batchItemFailures": [{"itemIdentifier": "0"}], "unreadable": []}, Told.NOT_NOW),
        ({"batchItemFailures": [{"itemIdentifier": "0"}]}, Told.NOT_NOW),  # of an earlier release
        ("FunctionError", Told.NOT_NOW),
        ("missing", Told.NOT_NOW),
        (None, Told.NEVER),
    ],
)
def test_what_cannot_be_told_now_is_told_from_what_never_can(answer: Any, told: Told) -> None:
    """`--discard` removed letters while the bus was throttled, though the records were still there."""
    said = {"FunctionError": "Unhandled"} if isinstance(answer, str) else {}
    called = {"Payload": io.BytesIO(json.dumps(answer).encode()), **said}

    def invoke(**_: Any) -> Any:
        if answer == "missing":  # the function
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": ""}}, "Invoke")
        return called

    cloud = SimpleNamespace(
        dynamodb=lambda _: SimpleNamespace(get_item=lambda **_: {"Item": {}} if answer else {}),
        functions=lambda _: SimpleNamespace(invoke=invoke),
    )
    names = SimpleNamespace(table="payments-dev", outcomes=lambda _: "payment-outcomes")
    environment = cast("Environment", SimpleNamespace(cloud=cloud, names=names))
    assert untold.tell(environment, "eu-west-1", {"payment": "T1"}) is told
