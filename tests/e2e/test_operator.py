"""What an operator does about payments in doubt, and about a register that lost its memory."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from localcloud.client import ACCOUNT
from tests.e2e.support import MOMENT, REGIONS, ROOT, Environment, eventually, program

pytestmark = pytest.mark.evidence  # clocks that are waited for

HOME, SECOND, THIRD = REGIONS
PENDING_SECONDS = 30  # a payment that was tried is not called in doubt before
HOUR = 3600


def die_after(environment: Environment, step: str, payment: str, region: str = HOME) -> None:
    """Post a payment to a function that dies after a step."""
    reply = environment.pay(payment, region=region, headers={"X-Test-Fault": f"die-after-{step}"})
    assert reply.status == 503, reply


def passes(environment: Environment, payment: str, seconds: int, *, due: int = HOUR) -> None:
    """So much time passes for a payment, which no janitor looks at for the next `due` seconds."""
    for region in REGIONS:
        cell = environment.cell(payment, region)
        backwards = {"accepted_at", "attempted_at"} & cell.keys()
        moments = {name: int(cell[name]["N"]) - seconds for name in backwards}
        if "due_at" in cell:
            moments["due_at"] = int(time.time()) + due
        if moments:
            environment.client("dynamodb", region).update_item(
                TableName=f"payment-register-{region}-{environment.name}",
                Key={"TransactionId": {"S": payment}},
                UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in moments),
                ExpressionAttributeValues={f":{name}": {"N": str(moment)} for name, moment in moments.items()},
            )


def janitors(environment: Environment) -> None:
    """One run of each Region's janitor; as by its schedule, it is called again where a service was too slow for it."""

    def ran(region: str) -> bool:
        answer = environment.invoke("janitor", region=region)
        said = answer["Payload"].read().decode()
        assert "FunctionError" not in answer or '"NoAnswer"' in said, said
        return "FunctionError" not in answer

    for region in REGIONS:
        eventually(lambda region=region: ran(region))  # type: ignore[misc]


@contextmanager
def silent_processor(environment: Environment) -> Iterator[None]:
    """The processor knows nobody: whatever is asked, it says nothing of charges."""
    environment.cloud.admin("PUT", "/processor/admin", {"secret": "another"})
    try:
        yield
    finally:
        environment.cloud.admin("PUT", "/processor/admin", {"secret": "sandbox-secret"})


def reference(environment: Environment, payment: str) -> str:
    """The processor's reference of the one charge of a payment."""
    (entry,) = [each for each in parked(environment) if each["payment"] == payment]
    answer = charge_of(environment, entry["idempotency_key"])
    assert answer["status"] == "succeeded", answer
    return str(answer["id"])


def charge_of(environment: Environment, key: str) -> dict[str, Any]:
    """What the processor says of a key: what its own website would tell an operator."""
    asked = urllib.request.Request(  # noqa: S310 - the local cloud's own loopback address
        f"{environment.cloud.admin_url}/processor/charges/{key}", headers={"Authorization": "Bearer sandbox-secret"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310
        told: dict[str, Any] = json.load(answer)
    return told


def parked(environment: Environment) -> list[dict[str, Any]]:
    """What `payctl parked` lists; its exit code says the same."""
    done = environment.payctl("parked", "--json", check=False)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert done.returncode == (2 if found else 0), done
    return found


def entry(environment: Environment, payment: str) -> dict[str, Any] | None:
    return next((each for each in parked(environment) if each["payment"] == payment), None)


def test_a_payment_in_doubt_is_shown_and_settled_by_its_operator(forgetful: Environment, payment: str) -> None:
    die_after(forgetful, "CHARGE", payment)
    with silent_processor(forgetful):
        passes(forgetful, payment, 2 * PENDING_SECONDS, due=0)
        janitors(forgetful)
        passes(forgetful, payment, 120)
    assert forgetful.charges(payment) == 1, "a janitor charged it again"
    assert forgetful.call("GET", f"/payments/{payment}", region=SECOND).body["status"] == "IN_DOUBT"

    waits = entry(forgetful, payment)
    assert waits
    assert (waits["status"], waits["amount"], waits["currency"], waits["region"]) == ("IN_DOUBT", "99.99", "USD", HOME)
    assert waits["age"] >= 120
    shown = forgetful.payctl("parked", check=False)
    assert shown.returncode == 2
    assert waits["idempotency_key"] in shown.stdout

    denied = forgetful.payctl(
        "resolve", payment, "--not-charged", "--reason", "not on the statement", "--yes", check=False
    )
    assert denied.returncode == 1
    assert "the processor says it was charged: ch_" in denied.stderr
    wrong = forgetful.payctl("resolve", payment, "--settled", "ch_0", "--yes", check=False)
    assert wrong.returncode == 1
    assert "the processor's reference is ch_" in wrong.stderr
    assert forgetful.record(payment, HOME) is None

    charge = reference(forgetful, payment)
    done = forgetful.payctl("resolve", payment, "--settled", charge, "--yes")
    caller = forgetful.client("sts").get_caller_identity()["Arn"]
    assert caller in done.stdout
    janitors_finish(forgetful, payment)
    record = forgetful.settled_everywhere(payment)
    result = json.loads(record["Content"]["S"])
    assert (result["status"], result["reference"], "by" in result) == ("SETTLED", charge, False)
    assert caller in forgetful.payctl("pay", "--status", payment).stderr
    kept = forgetful.client("s3").list_objects_v2(
        Bucket=f"payment-receipts-{HOME}-{forgetful.name}-{ACCOUNT}", Prefix=f"rulings/{payment}/"
    )
    assert kept["KeyCount"] == 1
    assert forgetful.charges(payment) == 1
    assert entry(forgetful, payment) is None
    again = forgetful.pay(payment, region=THIRD)
    assert (again.status, again.body["status"]) == (200, "SETTLED")
    assert forgetful.charges(payment) == 1
    late = forgetful.payctl("resolve", payment, "--not-charged", "--reason", "x", "--yes", check=False)
    assert late.returncode == 1
    assert "it has a result: SETTLED" in late.stderr


def janitors_finish(environment: Environment, payment: str) -> None:
    """What is left to do elsewhere is due now."""
    passes(environment, payment, 0, due=0)
    janitors(environment)


def test_a_payment_that_was_never_charged_is_closed_by_cancelling_its_key(forgetful: Environment, payment: str) -> None:
    die_after(forgetful, "ATTEMPT", payment)
    passes(forgetful, payment, 2 * PENDING_SECONDS)
    waits = entry(forgetful, payment)
    assert waits
    forgetful.payctl("resolve", payment, "--not-charged", "--reason", "no such charge", "--yes")
    janitors_finish(forgetful, payment)
    for region in REGIONS:
        record = eventually(lambda region=region: forgetful.record(payment, region))  # type: ignore[misc]
        result = json.loads(record["Content"]["S"])
        assert (record["Status"]["S"], "reason" in result) == ("NOT_CHARGED", False)
    assert forgetful.receipt(payment, HOME) is None
    assert charge_of(forgetful, waits["idempotency_key"])["status"] == "cancelled"
    again = forgetful.pay(payment)
    assert (again.status, again.body["status"]) == (200, "NOT_CHARGED")
    assert forgetful.charges(payment) == 0


def test_where_the_processor_is_gone_for_good_an_hour_must_pass(forgetful: Environment, payment: str) -> None:
    die_after(forgetful, "ATTEMPT", payment)
    passes(forgetful, payment, 2 * PENDING_SECONDS)
    ruling = ("resolve", payment, "--not-charged", "--reason", "the processor closed down", "--yes")
    with silent_processor(forgetful):
        asked = forgetful.payctl(*ruling, check=False)
        assert asked.returncode == 1
        assert "the processor does not answer" in asked.stderr
        early = forgetful.payctl(*ruling, "--unchecked", check=False)
        assert early.returncode == 1
        assert "a call may still charge it; repeat it after 20" in early.stderr
        passes(forgetful, payment, HOUR)
        forgetful.payctl(*ruling, "--unchecked")
    assert forgetful.charges(payment) == 0
    assert eventually(lambda: forgetful.record(payment, HOME))["Status"]["S"] == "NOT_CHARGED"


def test_a_ruling_needs_a_payment_in_doubt_and_an_answer_to_the_question(forgetful: Environment, payment: str) -> None:
    unknown = forgetful.payctl("resolve", "UNKNOWN", "--settled", "ch_1", "--yes", check=False)
    assert (unknown.returncode, "no Region knows it" in unknown.stderr) == (1, True), unknown
    assert forgetful.pay(payment).status == 201
    for options, says in (
        (("--not-charged", "--reason", "card 4111 1111 1111 1111"), "looks like a card number"),
        (("--settled", "ch_1"), "there is no terminal; add --yes"),
        (("--settled", "ch_1", "--yes"), "it has a result: SETTLED"),
    ):
        done = forgetful.payctl("resolve", payment, *options, check=False)
        assert done.returncode == 1, options
        assert says in done.stderr, done.stderr
        assert "4111" not in done.stderr
        assert "Traceback" not in done.stderr


def test_parked_is_known_while_a_region_is_away_but_not_two(forgetful: Environment, payment: str) -> None:
    die_after(forgetful, "CHARGE", payment)
    passes(forgetful, payment, 2 * PENDING_SECONDS)
    with service_down(forgetful, THIRD):
        assert entry(forgetful, payment)
        with service_down(forgetful, SECOND):
            done = forgetful.payctl("parked", check=False)
    assert done.returncode == 1
    assert f"{SECOND} and {THIRD} do not answer" in done.stderr


@contextmanager
def service_down(environment: Environment, region: str) -> Iterator[None]:
    fault = {"kind": "service-down", "region": region, "service": "dynamodb"}
    name = environment.cloud.admin("POST", "/faults", fault)["id"]
    try:
        yield
    finally:
        environment.cloud.admin("DELETE", f"/faults/{name}")


def test_get_answers_for_what_is_not_final(forgetful: Environment, payment: str) -> None:
    die_after(forgetful, "VOTE", payment)
    passes(forgetful, payment, 0)
    for region in REGIONS:
        reply = forgetful.call("GET", f"/payments/{payment}", region=region)
        assert (reply.status, reply.body["status"]) == (200, "PENDING")
        assert (reply.body["transactionId"], reply.body["amount"]) == (payment, "99.99")
        assert "region" not in reply.body
    doubtful = f"{payment}-doubt"
    die_after(forgetful, "ATTEMPT", doubtful)
    passes(forgetful, doubtful, 0)
    assert forgetful.call("GET", f"/payments/{doubtful}").body["status"] == "PENDING", "it may still be under way"
    passes(forgetful, doubtful, 2 * PENDING_SECONDS)
    for region in REGIONS:
        reply = forgetful.call("GET", f"/payments/{doubtful}", region=region)
        assert (reply.status, reply.body["status"]) == (200, "IN_DOUBT")


def test_get_answers_404_for_what_is_unknown_or_anothers(dev: Environment, payment: str) -> None:
    for path in (payment, "not%20an%20id"):
        reply = dev.call("GET", f"/payments/{path}")
        assert (reply.status, reply.body["title"]) == (404, "Not found")
    foreign = {"transaction": {"id": payment, "amount": "5.00", "currency": "EUR", "timestamp": MOMENT}}
    event = {  # as the API would hand it on, were another account let in
        "httpMethod": "POST",
        "body": json.dumps(foreign),
        "requestContext": {"identity": {"accountId": "111122223333"}},
    }
    assert json.loads(dev.invoke("processor", payload=event)["Payload"].read())["statusCode"] == 201
    dev.brought_otherwise(payment)
    for region in REGIONS:
        record = eventually(lambda region=region: dev.record(payment, region))  # type: ignore[misc]
        assert json.loads(record["Content"]["S"])["account"] == "111122223333"
        assert dev.call("GET", f"/payments/{payment}", region=region).status == 404
    assert dev.pay(payment, amount="5.00").status == 422


def test_get_answers_503_when_fewer_than_two_regions_do(dev: Environment, payment: str) -> None:
    with service_down(dev, SECOND):
        assert dev.call("GET", f"/payments/{payment}").status == 404, "two empty cells say that there is none"
        with service_down(dev, THIRD):
            reply = dev.call("GET", f"/payments/{payment}")
            assert (reply.status, reply.body["title"]) == (503, "Outcome unknown")
            assert "retry-after" in {name.lower() for name in reply.headers}
    assert dev.call("GET", f"/payments/{payment}").status == 404


def test_a_register_that_was_lost_serves_again_only_after_it_rejoined(forgetful: Environment, payment: str) -> None:
    lost_register = SECOND
    settled, doubtful, meanwhile, later = (f"{payment}-{word}" for word in ("settled", "doubt", "while", "later"))
    assert forgetful.pay(settled).status == 201
    die_after(forgetful, "CHARGE", doubtful, lost_register)  # whose attempt only the lost cell knows
    passes(forgetful, doubtful, 2 * PENDING_SECONDS)
    definition = forget_register(forgetful, lost_register)

    bar(forgetful, lost_register)
    missing = forgetful.payctl("rejoin", lost_register, "--yes", check=False)
    assert missing.returncode == 1
    assert "is missing" in missing.stderr
    assert f"then repeat `payctl rejoin {lost_register}`" in missing.stderr

    dynamodb = forgetful.client("dynamodb", lost_register)
    dynamodb.create_table(**definition)
    for region in REGIONS:
        # A Region without its cell takes payments all the same, and leaves the charging to another.
        reply = forgetful.pay(f"{meanwhile}-{region}", region=region)
        assert reply.status == (202 if region == lost_register else 201), reply
        assert forgetful.pay(settled, region=region).status == 200
        assert forgetful.pay(doubtful, region=region).status == 202
    assert dynamodb.scan(TableName=definition["TableName"], Select="COUNT")["Count"] == 0, "it was asked"

    with service_down(forgetful, HOME):
        peer = forgetful.payctl("rejoin", lost_register, "--yes", check=False)
    assert peer.returncode == 1
    assert "both other Regions must answer" in peer.stderr
    done = forgetful.payctl("rejoin", lost_register, "--yes")
    assert f"{lost_register} serves again" in done.stdout
    assert forgetful.cell(doubtful, lost_register)["attempt"] == {"S": "rejoined"}
    assert forgetful.cell(settled, lost_register)["result"] == forgetful.cell(settled, HOME)["result"]

    restart(forgetful)
    assert forgetful.pay(later, region=lost_register).status == 201
    assert "accepted" in forgetful.cell(later, lost_register), "it is asked again"
    # Its Region asks the processor before it leaves the doubtful one to an operator, and never charges on that token.
    for each in (settled, doubtful, later, *(f"{meanwhile}-{region}" for region in REGIONS)):
        janitors_finish(forgetful, each)
        forgetful.settled_everywhere(each)
        assert forgetful.charges(each) == 1


def forget_register(environment: Environment, region: str) -> dict[str, Any]:
    """Delete a Region's register. Returns how to recreate it."""
    dynamodb, table = environment.client("dynamodb", region), f"payment-register-{region}-{environment.name}"
    known = dynamodb.describe_table(TableName=table)["Table"]
    indexes = [
        {name: each[name] for name in ("IndexName", "KeySchema", "Projection")}
        for each in known["GlobalSecondaryIndexes"]
    ]
    if known.get("DeletionProtectionEnabled"):
        dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=table)
    return {
        "TableName": table,
        "AttributeDefinitions": known["AttributeDefinitions"],
        "KeySchema": known["KeySchema"],
        "GlobalSecondaryIndexes": indexes,
        "BillingMode": "PAY_PER_REQUEST",
    }


def bar(environment: Environment, region: str) -> None:
    """Begin to rejoin, stop while it waits for all functions to know, and let all that asked the old register end."""
    command = [program("payctl"), "rejoin", region, "--yes", "--local", "--endpoint", environment.cloud.endpoint]
    command += ["--settings", str(environment.settings)]
    environ = os.environ | {"ENVIRONMENT_SUFFIX": environment.name, "AWS_REGION": HOME}
    others = [other for other in REGIONS if other != region]
    # A shell that runs the tests in the background has them ignore Ctrl-C, and so what they start.
    with subprocess.Popen(
        command,
        env=environ,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - one call only
    ) as running:
        eventually(lambda: all("since" in environment.cell(":register", other) for other in others))
        running.send_signal(signal.SIGINT)
        _, says = running.communicate(timeout=30)
    assert running.returncode == 130, says
    assert f"{region} stays barred" in says
    for other in others:
        assert environment.cell(":register", other)["lost"] == {"S": region}
        environment.client("dynamodb", other).update_item(
            TableName=f"payment-register-{other}-{environment.name}",
            Key={"TransactionId": {"S": ":register"}},
            UpdateExpression="SET since = since - :ended",
            ExpressionAttributeValues={":ended": {"N": "960"}},
        )
    restart(environment)


def restart(environment: Environment) -> None:
    """New processes for the functions, as after a minute: they look which registers they may ask."""
    for region in REGIONS:
        functions = environment.client("lambda", region)
        for function in ("processor", "janitor", "health"):
            name = f"payment-{function}-{region}-{environment.name}"
            seconds = functions.get_function_configuration(FunctionName=name)["Timeout"]
            functions.update_function_configuration(FunctionName=name, Timeout=seconds)
