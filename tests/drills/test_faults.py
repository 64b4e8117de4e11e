"""Faults that show only in the deployed system, or when time runs out (docs/faults.md: which tests cover which)."""

import json
import shutil
import time
import uuid
from typing import Any

import boto3
import pytest
from botocore.credentials import Credentials
from payments.protocol.flows import submit
from payments.protocol.ports import NOT_SENT, Charge, Request, Update
from payments.protocol.settlement import State
from payments.protocol.sweep import sweep
from payments.protocol.values import Payment, intent_of

import localcloud
from payctl import signed_http as request
from tests.drills.support import REGIONS, ROOT, Site
from tests.drills.test_drills import SMALL, passed
from tests.localcloud.conftest import eventually
from tests.payments.memory import HOME, World

pytestmark = pytest.mark.evidence  # each is a load of its own

QUIET_SECONDS = 60
# What was written under a lag arrives that late, also where the lag ends before: long enough to look meanwhile.
LAG_SECONDS = 10
SWEEPS_SECONDS = 150  # until it is due in the first Region, and two runs of the janitor (docs/faults.md, fault 9)
OPERATOR = Credentials("test", "test")


@pytest.mark.parametrize(
    ("deduplicates", "released", "ends", "charges"),
    [(True, False, State.FINAL, 1), (False, True, State.FINAL, 1), (False, False, State.IN_DOUBT, 0)],
    ids=["the processor replays", "the claim is taken back", "the claim stays"],
)
def test_fault_05_no_time_is_left_once_the_charge_is_claimed(
    *, deduplicates: bool, released: bool, ends: State, charges: int
) -> None:
    """The claim outlives the function that had no time for it: the janitor charges once, or parks what may not be."""
    world = World()
    ctx = world.context(rail="https://processor.example", deduplicates=deduplicates)
    claimed = False

    def out_of_time(_region: str, request: Request) -> Any:
        nonlocal claimed
        action = request.action.name if isinstance(request, Update) else ""
        if isinstance(request, Charge):
            return NOT_SENT
        over, claimed = claimed, claimed or action == "ATTEMPT"
        return "before" if over and not (released and action == "RELEASE") else ""

    world.lose = out_of_time
    intent = intent_of(Payment("TXN005", 9999, "USD", 1_705_314_600_000_000, "000000000000"))
    assert world.run(ctx, submit(ctx, intent)).code == 202
    assert claimed
    assert world.charges == []
    world.lose = lambda *_: ""
    world.now += 3600
    assert world.run(ctx, sweep(ctx, "TXN005")).state is ends
    assert len(world.charges) == charges
    assert ("attempt" in world.cells[HOME]["TXN005"]) is not released or ends is State.FINAL


def test_fault_07_one_region_s_dynamodb_throttles_and_fails(site: Site) -> None:
    code, told = site.drill("brownout", *SMALL)
    assert passed(told), told["verdict"]["failures"]
    assert code == 0
    assert told["verdict"]["unknown"] == 0, told["verdict"]


def test_fault_20_a_deployment_amid_traffic_loses_nothing(site: Site) -> None:
    """Region after Region gets new code while payments go on: old and new sign one another's cells."""
    (site.folder / "lambda").unlink()
    shutil.copytree(ROOT / "lambda", site.folder / "lambda", ignore=shutil.ignore_patterns("__pycache__"))
    with (site.folder / "lambda" / "payments" / "__init__.py").open("a") as file:
        file.write("\n# The next version.\n")
    before = code_hashes(site)
    with site.start("pay", "--rate", "4", "--for", "30s", "--json") as traffic:
        deployed = site.payctl("deploy", "--yes")
        told = json.loads(traffic.communicate(timeout=120)[0])
    assert deployed.returncode == 0, deployed.stderr
    assert all(after != before[region] for region, after in code_hashes(site).items())
    assert (told["payments"], told["accepted"]) == (120, 120)
    settled = {answer["payment"] for answer in told["log"] if answer["state"] == "SETTLED"}
    # A client waits for a minute; whose function was replaced under it, a janitor may finish later than that. Where one
    # died between claiming the call and making it, nobody may repeat the call: the payment is parked, and listed.
    waiting, listed = {answer["payment"] for answer in told["log"]} - settled, set()
    for payment in waiting:
        eventually(lambda payment=payment: shown(site, payment, HOME) or parked(site, payment), seconds=SWEEPS_SECONDS)  # type: ignore[misc]
        if not shown(site, payment, HOME):
            listed.add(payment)
    assert len(listed) <= 1, site.payctl("parked").stdout
    counted = site.cloud.admin("GET", "/processor/admin")["by_reference"]
    assert {counted.get(answer["payment"]) for answer in told["log"] if answer["payment"] not in listed} == {1}
    assert all(counted.get(payment, 0) <= 1 for payment in listed)


def parked(site: Site, payment: str) -> bool:
    """Whether `payctl parked` lists it."""
    return payment in {entry["payment"] for entry in json.loads(site.payctl("parked", "--json").stdout)}


def test_fault_22_a_region_lost_right_after_its_201_takes_nothing_back(site: Site) -> None:
    """Its record and receipt have not left it yet; the others know from the register, and have both once it is back."""
    payment = f"TXN-{uuid.uuid4().hex[:6]}x"
    apis = json.loads(site.payctl("outputs").stdout)["api_endpoints"]
    transaction = {"id": payment, "amount": "22.00", "currency": "USD", "timestamp": "2024-01-15T10:30:00Z"}
    site.cloud.admin("POST", "/faults", {"kind": "lag", "seconds": LAG_SECONDS})
    try:
        made = request.send(
            "POST", f"{apis[HOME]}/payments", body={"transaction": transaction}, sign_as=OPERATOR, region=HOME
        )
        assert made.status == 201, made
        site.cloud.admin("POST", "/faults", {"kind": "region-down", "region": HOME})
        assert [shown(site, payment, region) for region in REGIONS[1:]] == [None, None], "nothing was replicated yet"
        for region in REGIONS[1:]:
            told = request.send("GET", f"{apis[region]}/payments/{payment}", sign_as=OPERATOR, region=region)
            assert (told.status, told.body) == (200, made.body)
    finally:
        site.cloud.admin("DELETE", "/faults")
    until = time.monotonic() + QUIET_SECONDS
    while None in (records := [shown(site, payment, region) for region in REGIONS]):
        assert time.monotonic() < until, records
        time.sleep(0.2)
    assert records[0] == records[1] == records[2]


def shown(site: Site, payment: str, region: str) -> Any:
    """The public record and the receipt as a Region holds them, None where one is missing; read without the code that
    is tested."""
    account = localcloud.client.ACCOUNT
    table = client("dynamodb", site, region).get_item(
        TableName=f"payments-{site.name}", Key={"TransactionId": {"S": payment}}
    )
    held = client("s3", site, region).list_objects_v2(
        Bucket=f"payment-receipts-{region}-{site.name}-{account}", Prefix=f"receipts/{payment}"
    )
    etags = [entry["ETag"] for entry in held.get("Contents", [])]
    return (table["Item"], etags) if "Item" in table and etags else None


def code_hashes(site: Site) -> dict[str, str]:
    """What runs in each Region's processor function."""
    return {
        region: client("lambda", site, region).get_function_configuration(
            FunctionName=f"payment-processor-{region}-{site.name}"
        )["CodeSha256"]
        for region in REGIONS
    }


def client(service: str, site: Site, region: str) -> Any:
    make: Any = boto3.client  # its overloads want the service's name as a literal
    return make(service, region_name=region, endpoint_url=site.cloud.endpoint, **localcloud.ROOT)
