"""Merchants: who may call, and that none reads, blocks, learns of or squats on another's payments."""

import json
import re
import shutil
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.credentials import Credentials

from builder.emit import emit
from builder.settings import load
from localcloud.client import ACCOUNT, LocalCloud
from tests.e2e.support import MOMENT, REGIONS, ROOT, Environment, Reply, eventually

pytestmark = pytest.mark.evidence  # an environment of its own

HOME: Final = REGIONS[0]
OPERATOR: Final = "Operator"
OUTSIDE: Final = "222222222222"
TABLE: Final = """
[merchants]
shop = ["arn:aws:iam::{account}:role/shops/shop"]
market = ["arn:aws:iam::{account}:role/market", "arn:aws:iam::{outside}:root"]
later = []
"""
VOLATILE: Final = {"date", "x-amz-request-id", "x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id"}


def write(folder: Path, merchants: str) -> Path:
    """A project folder whose settings name these merchants, and operators."""
    text = re.sub(
        r"(?m)^operators = .*$",
        f'operators = ["arn:aws:iam::{ACCOUNT}:role/{OPERATOR}"]',
        (ROOT / "deployment.toml").read_text(),
        count=1,
    )
    settings = folder / "deployment.toml"
    settings.write_text(text + merchants)
    (folder / "templates").mkdir(exist_ok=True)
    for name, content in emit(load(settings, {})).items():
        (folder / "templates" / name).write_text(content)
    return settings


@pytest.fixture(scope="module")
def shops(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("shops")
    shutil.copytree(ROOT / "lambda", folder / "lambda", ignore=shutil.ignore_patterns("__pycache__"))
    settings = write(folder, TABLE.format(account=ACCOUNT, outside=OUTSIDE))
    environment = Environment(cloud, "shops", settings, folder, merchants={OUTSIDE: "market"})
    environment.payctl("deploy", "--yes", "--test-faults")
    return environment


def session(
    environment: Environment, name: str, path: str = "/", as_: str = "one", *, rights: bool = True
) -> Credentials:
    """A session of a role of the account, which may invoke every API as far as IAM goes."""
    iam = environment.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    try:
        role = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=document(trust))["Role"]
    except iam.exceptions.EntityAlreadyExistsException:
        role = iam.get_role(RoleName=name)["Role"]
    if rights:
        invoke = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
        iam.put_role_policy(RoleName=name, PolicyName="pay", PolicyDocument=document(invoke))
    made = environment.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName=as_)["Credentials"]
    if name != OPERATOR:  # who acts for others
        environment.merchants[made["AccessKeyId"]] = name
    return Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])


def document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


@pytest.fixture(scope="module")
def shop(shops: Environment) -> Credentials:
    return session(shops, "shop", "/shops/")


@pytest.fixture(scope="module")
def market(shops: Environment) -> Credentials:
    return session(shops, "market")


@pytest.fixture(scope="module")
def operator(shops: Environment) -> Credentials:
    return session(shops, OPERATOR)


def look(shops: Environment, payment: str, who: Credentials, **options: Any) -> Reply:
    return shops.call("GET", f"/payments/{payment}", sign_as=who, **options)


def steady(reply: Reply) -> tuple[int, Any, dict[str, str]]:
    """What does not differ from request to request."""
    headers = {name.lower(): value for name, value in reply.headers.items()}
    return reply.status, reply.body, {name: value for name, value in headers.items() if name not in VOLATILE}


def test_each_merchants_ids_are_its_own(
    shops: Environment, payment: str, shop: Credentials, market: Credentials
) -> None:
    first, second = shops.pay(payment, sign_as=shop), shops.pay(payment, amount=5, sign_as=market)
    assert (first.status, second.status) == (201, 201), "the id is not taken"
    assert (first.body["amount"], second.body["amount"]) == ("99.99", "5.00")
    for who, told in ((shop, first), (market, second)):
        assert look(shops, payment, who, region=REGIONS[2]).body["amount"] == told.body["amount"]
        assert told.body["transactionId"] == payment
    assert shops.record(f"shop:{payment}", HOME) is not None
    assert shops.record(f"market:{payment}", HOME) is not None
    assert not shops.record(payment, HOME)
    receipt = json.loads(eventually(lambda: shops.receipt(f"shop:{payment}", HOME)))
    assert (receipt["merchant"], receipt["transactionId"]) == ("shop", payment)


def test_a_merchant_is_its_role_and_not_the_session(shops: Environment, payment: str, shop: Credentials) -> None:
    assert shops.pay(payment, sign_as=shop).status == 201
    again = shops.pay(payment, sign_as=session(shops, "shop", "/shops/", "another"))
    assert (again.status, again.headers.get("Idempotent-Replayed")) == (200, "true")


def test_another_merchants_payment_is_like_none(
    shops: Environment, payment: str, shop: Credentials, market: Credentials, operator: Credentials
) -> None:
    assert shops.pay(payment, sign_as=shop).status == 201
    nothing = steady(look(shops, "TXN-nobody", market))
    assert nothing[0] == 404
    for who, wanted in (
        (market, payment),
        (operator, payment),
        (market, f"shop:{payment}"),
        (market, f"shop%3A{payment}"),
    ):
        assert steady(look(shops, wanted, who)) == nothing
    assert shops.pay(payment, amount=1, sign_as=market).status == 201, "and its id is no obstacle"


def test_nobody_acts_for_another_merchant_but_operators(
    shops: Environment, payment: str, shop: Credentials, market: Credentials, operator: Credentials
) -> None:
    assert shops.pay(payment, sign_as=shop).status == 201
    for_shop = {"X-Merchant": "shop"}
    assert shops.pay(payment, sign_as=market, headers=for_shop).status == 403
    assert look(shops, payment, market, headers=for_shop).status == 403
    assert shops.pay(payment, sign_as=operator, headers={"X-Merchant": "nobody"}).status == 403
    assert shops.pay(f"shop:{payment}x", sign_as=market).status == 400
    assert shops.pay(payment, sign_as=operator, headers=for_shop).status == 200, "the same payment, whoever repeats it"
    assert look(shops, payment, operator, headers=for_shop).status == 200


def test_a_merchants_other_account_is_the_same_merchant(shops: Environment, payment: str, market: Credentials) -> None:
    assert shops.pay(payment, sign_as=market).status == 201
    assert shops.pay(payment, sign_as=Credentials(OUTSIDE, "test")).status == 200


def test_nobody_else_is_let_in(shops: Environment, payment: str) -> None:
    """The Deny, too, of those whom their own account would let in."""
    before = len(shops.answers)
    for who in (session(shops, "nobody"), Credentials("test", "test"), Credentials("333333333333", "test"), None):
        reply = shops.pay(payment, sign_as=who)
        assert reply.status == 403, (who, reply)
        assert reply.headers.get("Content-Type", reply.headers.get("content-type")) == "application/problem+json"
    assert len(shops.answers) == before + 4
    assert shops.call("GET", "/health", sign_as=None).status == 200
    assert shops.pay(payment, sign_as=session(shops, "market", rights=False)).status == 201


def test_executions_bring_payments_of_no_merchant(shops: Environment, payment: str, shop: Credentials) -> None:
    machine = f"arn:aws:states:{HOME}:{ACCOUNT}:stateMachine:payment-workflow-{HOME}-shops"
    states = shops.client("stepfunctions")

    def run(fields: dict[str, Any]) -> Any:
        arn = states.start_execution(stateMachineArn=machine, input=json.dumps(fields))["executionArn"]

        def end() -> Any:
            execution = states.describe_execution(executionArn=arn)
            return execution if execution["status"] != "RUNNING" else None

        return eventually(end)

    brought = {"id": payment, "amount": "5.00", "currency": "USD", "timestamp": MOMENT}
    assert run({"transaction": {**brought, "id": f"shop:{payment}"}})["status"] == "FAILED"
    assert run({"transaction": brought, "account": OUTSIDE})["status"] == "FAILED"
    assert run({"transactionId": f"shop:{payment}"})["status"] == "FAILED", "no register holds it"
    assert run({"transaction": brought})["status"] == "SUCCEEDED"
    assert shops.pay(payment, sign_as=shop).status == 201
    assert json.loads(run({"transactionId": f"shop:{payment}"})["output"])["transactionId"] == f"shop:{payment}"


def test_a_role_that_is_added_is_let_in_at_the_next_deployment(shops: Environment, payment: str) -> None:
    newcomer = session(shops, "newcomer")
    assert shops.pay(payment, sign_as=newcomer).status == 403
    text = TABLE.format(account=ACCOUNT, outside=OUTSIDE)
    write(shops.folder, text.replace("later = []", f'later = ["arn:aws:iam::{ACCOUNT}:role/newcomer"]'))
    shops.payctl("deploy", "--yes", "--test-faults")
    assert shops.pay(payment, sign_as=newcomer).status == 201
    assert shops.record(f"later:{payment}", HOME) is not None


def test_a_merchants_name_is_fixed(shops: Environment) -> None:
    """Which changes are refused: tests/payctl/test_merchants.py."""
    settings = (shops.folder / "deployment.toml").read_text()
    (shops.folder / "deployment.toml").write_text(settings.replace("shop =", "store ="))
    stale = shops.payctl("deploy", "--yes", "--test-faults", check=False)
    write(shops.folder, TABLE.format(account=ACCOUNT, outside=OUTSIDE).replace("shop =", "store ="))
    refused = shops.payctl("deploy", "--yes", "--test-faults", check=False)
    write(shops.folder, settings[settings.index("\n[merchants]") :])
    assert (stale.returncode, refused.returncode) == (1, 1)
    assert "was made for other merchants than [merchants] has" in stale.stderr
    assert "the environment's merchants are later, market, shop, not later, market, store" in refused.stderr


def test_operators_commands_know_merchants(shops: Environment, payment: str, shop: Credentials) -> None:
    shops.pay(payment, sign_as=shop, headers={"X-Test-Fault": "die-after-OPEN"})
    lines = shops.payctl("logs", payment, "--merchant", "shop", "--json", "--minutes", "5", check=False)
    assert lines.returncode == 0, lines
