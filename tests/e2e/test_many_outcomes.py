"""Outcome events of many payments while a Region is lost: each is told in every Region, and how long that takes.

The records are written as the functions write them, by two Regions: what is measured begins there.
"""

import json
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from localcloud.client import LocalCloud
from tests.e2e.subscriber import subscribe
from tests.e2e.support import REGIONS, Environment, deploy, region_down
from tests.payments.test_outcomes import image, intent

COUNT = int(os.environ.get("OUTCOMES", "1000"))
LOST, *LIVING = REGIONS
QUIET_SECONDS = 200.0


class Watch(threading.Thread):
    """Empties the queue of one Region, and notes when EventBridge had put the first event of each payment there."""

    def __init__(self, environment: Environment, queue: str, region: str) -> None:
        super().__init__(daemon=True)
        self.api = environment.client("sqs", region)
        self.url = self.api.get_queue_url(QueueName=queue)["QueueUrl"]
        self.first, self.ids, self.told, self.over = dict[str, float](), dict[str, set[str]](), 0, False

    def run(self) -> None:
        while not self.over:
            try:
                asked = {"MaxNumberOfMessages": 10, "AttributeNames": ["SentTimestamp"], "WaitTimeSeconds": 1}
                messages = self.api.receive_message(QueueUrl=self.url, **asked).get("Messages", [])
                self.take(messages)
            except (BotoCoreError, ClientError):  # its Region is lost; what was not deleted comes again
                time.sleep(0.2)

    def take(self, messages: Sequence[Any]) -> None:
        for message in messages:
            detail = json.loads(message["Body"])["detail"]
            self.told += 1
            self.ids.setdefault(detail["transactionId"], set()).add(detail["id"])
            self.first.setdefault(detail["transactionId"], int(message["Attributes"]["SentTimestamp"]) / 1000)
        if messages:
            entries = [{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(messages)]
            self.api.delete_message_batch(QueueUrl=self.url, Entries=entries)


@pytest.fixture(scope="module")
def many(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return deploy(cloud, "many", tmp_path_factory.mktemp("many"))


@pytest.fixture
def watches(many: Environment) -> Iterator[dict[str, Watch]]:
    subscribe(many, "many")
    watching = {region: Watch(many, "many", region) for region in REGIONS}
    for watch in watching.values():
        watch.start()
    yield watching
    for watch in watching.values():
        watch.over = True


@pytest.mark.evidence
def test_each_is_told_in_every_region_with_one_lost_in_the_middle(
    many: Environment, watches: dict[str, Watch], record_property: Callable[[str, object], None]
) -> None:
    written: dict[str, float] = {}
    tables = {region: many.client("dynamodb", region) for region in LIVING}

    def write(number: int) -> None:
        payment = f"many-{number}"
        item: dict[str, Any] = image(intent(payment))
        written[payment] = time.time()
        tables[LIVING[number % 2]].put_item(TableName="payments-many", Item=item)

    def writing(numbers: range) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, numbers))

    writing(range(COUNT // 4))
    with region_down(many, LOST):
        writing(range(COUNT // 4, COUNT * 3 // 4))
        living = wait(watches, LIVING, COUNT * 3 // 4)
        assert len(watches[LOST].first) <= COUNT // 4
    writing(range(COUNT * 3 // 4, COUNT))
    assert living
    assert wait(watches, REGIONS, COUNT), {region: len(watch.first) for region, watch in watches.items()}
    ids = [watch.ids for watch in watches.values()]
    assert ids[0] == ids[1] == ids[2]
    assert all(len(told) == 1 for told in ids[0].values())
    for region, watch in watches.items():
        delays = sorted(max(0.0, seen - written[payment]) for payment, seen in watch.first.items())
        told = (
            f"{len(delays)} payments, {watch.told} events; delay {statistics.median(delays):.2f} s in the median, "
            f"{delays[int(len(delays) * 0.99)]:.2f} s at p99"
        )
        print(f"{region}: {told}")
        record_property(f"outcome events in {region}{' (lost in the middle)' if region == LOST else ''}", told)


def wait(watches: dict[str, Watch], regions: list[str] | tuple[str, ...], count: int) -> bool:
    """Until each of the Regions has told of so many payments."""
    until = time.monotonic() + QUIET_SECONDS
    while time.monotonic() < until:
        if all(len(watches[region].first) >= count for region in regions):
            return True
        time.sleep(0.2)
    return False
