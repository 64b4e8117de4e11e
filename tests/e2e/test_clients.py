"""The examples in Python and JavaScript finish every payment while a Region is lost, with the rights that
docs/integrate.md gives them."""

import json
import re
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from payments.log import LETTERS

from localcloud.client import ACCOUNT
from tests.e2e.support import REGIONS, ROOT, Environment, region_down
from tests.examples import LANGUAGES, start

pytestmark = pytest.mark.evidence  # a load of its own

PAGE = (ROOT / "docs" / "integrate.md").read_text(encoding="utf-8")
ORDERS = 16
SEEN = 4


@pytest.fixture(scope="module")
def keys(dev: Environment) -> tuple[str, str]:
    """The keys of a user with the page's policy and no other rights: their signatures are judged."""
    (policy,) = re.findall(r"```json\n(\{\n  \"Version\".*?)```", PAGE, re.DOTALL)
    iam = dev.client("iam")
    iam.create_user(UserName="shop")
    iam.put_user_policy(UserName="shop", PolicyName="pay", PolicyDocument=policy.replace("111122223333", ACCOUNT))
    key = iam.create_access_key(UserName="shop")["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_payment_is_finished_while_a_region_is_lost(
    language: str, dev: Environment, keys: tuple[str, str], tmp_path: Path
) -> None:
    """The nearest Region goes after the first payments are through, and does not come back."""
    orders: list[dict[str, Any]] = [
        {
            "id": f"order-{uuid.uuid4().hex.translate(LETTERS)}",
            "amount": f"{n}.50",
            "currency": "EUR",
            "timestamp": "2024-01-15T10:30:00Z",
        }
        for n in range(1, ORDERS + 1)
    ]
    client = start(language, tmp_path, dev.outputs()["api_endpoints"], orders, keys=keys)
    assert client.stdout is not None
    assert client.stderr is not None
    errors: list[str] = []
    listener = threading.Thread(target=lambda: errors.append(client.stderr.read() if client.stderr else ""))
    listener.start()
    try:
        first = [client.stdout.readline() for _ in range(SEEN)]
        with region_down(dev, REGIONS[0]):
            rest = client.stdout.read()
            assert client.wait(timeout=10) == 0, rest
    finally:
        client.kill()
        client.wait()
        listener.join()
    assert errors == [""]
    ends = [json.loads(line) for line in [*first, *rest.splitlines()]]
    assert {end["id"]: end["status"] for end in ends} == {order["id"]: "SETTLED" for order in orders}
    records = [dev.settled_everywhere(order["id"], seconds=60) for order in orders]
    assert [record["Amount"] for record in records] == [{"N": order["amount"].rstrip("0")} for order in orders]
    used = {json.loads(record["Content"]["S"])["region"] for record in records}
    assert used & set(REGIONS[1:]), "another Region took over"
