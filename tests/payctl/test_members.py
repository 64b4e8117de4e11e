"""Which registers are in use: enrolled with a new environment, never silently again."""

from collections.abc import Callable
from typing import Any

import pytest
from payments.protocol import values
from payments.protocol.flows import submit

from payctl.environment import Environment
from payctl.environments.deploy import Options, deploy
from payctl.payments import log_key, membership
from payctl.payments.registers import Registers
from payctl.payments.rejoin import rejoin
from stacksets.errors import ToolError
from tests.payctl.conftest import REGIONS, Notes, Project

HOME, SECOND, THIRD = REGIONS
Aws = Callable[[str, str], Any]


@pytest.fixture
def environment(project: Project) -> Environment:
    project.deploy()
    return project.environment()


def empty(environment: Environment, aws: Aws, region: str) -> None:
    table = environment.names.register(region)
    for item in aws("dynamodb", region).scan(TableName=table)["Items"]:
        aws("dynamodb", region).delete_item(TableName=table, Key={"TransactionId": item["TransactionId"]})


def change(environment: Environment, aws: Aws, name: str, value: str) -> None:
    aws("dynamodb", SECOND).update_item(
        TableName=environment.names.register(SECOND),
        Key={"TransactionId": {"S": ":register"}},
        UpdateExpression=f"SET {name} = :value",
        ExpressionAttributeValues={":value": {"S": value}},
    )


def pay(environment: Environment) -> None:
    registers = Registers(environment)
    intent = values.intent_of(values.Payment("T1", 100, "USD", 0, "000000000000"))
    assert registers.run(submit(registers.context(), intent)).code == 201


def keys(environment: Environment, aws: Aws) -> list[str]:
    """The key for names in logs, as each register has it."""
    reads = {
        region: aws("dynamodb", region).get_item(
            TableName=environment.names.register(region), Key={"TransactionId": {"S": ":register"}}
        )
        for region in REGIONS
    }
    return [answer["Item"].get("log_key", {}).get("S", "") for answer in reads.values()]


def test_a_new_environment_uses_its_registers(environment: Environment) -> None:
    assert membership.idle(environment) == {}


def test_the_key_for_logs_is_made_once_and_the_same_everywhere(
    environment: Environment, project: Project, aws: Aws
) -> None:
    first, *others = keys(environment, aws)
    assert len(bytes.fromhex(first)) == 32
    assert others == [first, first]
    empty(environment, aws, SECOND)
    project.deploy()
    assert keys(environment, aws) == [first] * 3
    assert log_key.find(environment) == first
    for region in REGIONS:  # as of a version that had none
        aws("dynamodb", region).update_item(
            TableName=environment.names.register(region),
            Key={"TransactionId": {"S": ":register"}},
            UpdateExpression="REMOVE log_key",
        )
    assert log_key.find(environment) == ""
    project.deploy()
    made = keys(environment, aws)
    assert made[0] not in ("", first)
    assert made == [made[0]] * 3


def test_without_any_payment_a_recreated_register_is_used(environment: Environment, project: Project, aws: Aws) -> None:
    empty(environment, aws, SECOND)
    assert membership.idle(environment) == {SECOND: "it was recreated or emptied"}
    project.deploy()
    assert membership.idle(environment) == {}


def test_a_bar_that_only_one_region_holds_is_shown_and_removed(environment: Environment, aws: Aws) -> None:
    """The write of a refused command, arrived late."""
    change(environment, aws, "lost", THIRD)
    assert membership.idle(environment) == {THIRD: membership.STRAY}
    Registers(environment).remove_stray_bar(THIRD)
    assert membership.idle(environment) == {}
    Registers(environment).bar(THIRD)
    assert membership.idle(environment) == {THIRD: membership.BARRED}
    with pytest.raises(ToolError, match="taught first"):
        Registers(environment).remove_stray_bar(THIRD)


def test_an_emptied_register_is_not_used_before_it_rejoined(environment: Environment, aws: Aws) -> None:
    pay(environment)
    shared = keys(environment, aws)
    empty(environment, aws, SECOND)
    notes = Notes()
    environment.report = notes
    deploy(environment, Options(lint=False))
    assert membership.idle(environment) == {SECOND: "it was recreated or emptied"}
    assert notes.heard == [
        f"the register of {SECOND} is not in use: it was recreated or emptied; `payctl rejoin {SECOND}`"
    ]
    assert Registers(environment).rejoin(SECOND).taught == 1
    assert membership.idle(environment) == {}
    assert keys(environment, aws) == shared, "names in its logs can be found again"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [("table_id", "another", "it was restored from a backup"), ("serves", THIRD, f"it holds the cells of {THIRD}")],
)
def test_a_restored_or_swapped_register_is_told_apart(
    environment: Environment, aws: Aws, name: str, value: str, reason: str
) -> None:
    pay(environment)
    change(environment, aws, name, value)
    assert membership.enrol_new(environment) == {SECOND: reason}
    Registers(environment).rejoin(SECOND)
    assert membership.idle(environment) == {}


def test_a_register_that_is_barred_is_told(environment: Environment) -> None:
    Registers(environment).bar(SECOND)
    assert membership.idle(environment) == {SECOND: "it is barred"}


def test_an_environment_whose_record_holds_payments_is_not_new(environment: Environment, aws: Aws) -> None:
    item = {"TransactionId": {"S": "T1"}}
    aws("dynamodb", HOME).put_item(TableName=environment.names.table, Item=item)
    for region in REGIONS:
        empty(environment, aws, region)
    assert membership.enrol_new(environment) == dict.fromkeys(REGIONS, "it was recreated or emptied")


def test_two_registers_that_forgot_cannot_teach_each_other(environment: Environment, aws: Aws) -> None:
    pay(environment)
    empty(environment, aws, SECOND)
    empty(environment, aws, THIRD)
    with pytest.raises(ToolError, match=f"the register of {THIRD} is not in use either: it was recreated") as raised:
        rejoin(environment, SECOND)
    assert "Two registers are lost" in raised.value.remedy
    assert set(membership.idle(environment)) == {SECOND, THIRD}


def test_a_missing_table_is_told(environment: Environment, aws: Aws) -> None:
    aws("dynamodb", SECOND).delete_table(TableName=environment.names.register(SECOND))
    assert membership.enrol_new(environment) == {SECOND: "its table is missing"}
