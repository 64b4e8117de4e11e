"""A register with units provisioned: what it has none for is refused and repeated, nothing is lost, and the way back
leads on demand again."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from localcloud.client import LocalCloud
from tests.e2e.support import REGIONS, Environment, deploy, eventually

UNITS = 2
PAYMENTS = [f"few-{number}" for number in range(12)]


def billed(environment: Environment) -> list[tuple[str, int, int]]:
    """Mode, and write units of table and index, of each Region's register."""
    found = []
    for region in REGIONS:
        table = f"payment-register-{region}-{environment.name}"
        told = environment.client("dynamodb", region).describe_table(TableName=table)["Table"]
        parts = (told, told["GlobalSecondaryIndexes"][0])
        writes = [int(part.get("ProvisionedThroughput", {}).get("WriteCapacityUnits", 0)) for part in parts]
        found.append((told["BillingModeSummary"]["BillingMode"], *writes))
    return found


@pytest.mark.evidence
def test_few_units_throttle_and_lose_nothing(cloud: LocalCloud, tmp_path: Path) -> None:
    few = deploy(cloud, "few", tmp_path, register_writes="0", reserved_concurrency="0")
    assert {mode for mode, *_ in billed(few)} == {"PAY_PER_REQUEST"}
    deploy(cloud, "few", tmp_path, register_writes=str(UNITS), reserved_concurrency="0")
    assert billed(few) == [("PROVISIONED", UNITS, UNITS)] * 3
    with ThreadPoolExecutor(len(PAYMENTS)) as pool:
        codes = [reply.status for reply in pool.map(few.pay, PAYMENTS)]
    assert set(codes) <= {201, 202, 503}
    assert 503 in codes, "they were meant to be too many at once"
    for payment in PAYMENTS:
        eventually(lambda p=payment: few.pay(p).status in (200, 201), seconds=60)  # type: ignore[misc]
    deploy(cloud, "few", tmp_path, register_writes="0", reserved_concurrency="0")
    assert {mode for mode, *_ in billed(few)} == {"PAY_PER_REQUEST"}
    for payment in PAYMENTS:
        few.settled_everywhere(payment, seconds=60)
    assert few.payctl("reconcile", "--min-age", "0", "--json", check=False).returncode == 0
