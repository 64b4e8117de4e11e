"""Acts once on how each payment ended, whichever Regions tell of it: a subscriber to read and to copy
(docs/integrate.md, "Being told how a payment ended").

    pip install boto3
    python subscriber.py ends.sqlite QUEUE REGION... [--seconds SECONDS]

In each Region a rule on the bus sends the outcome events to a queue of this name. Each end is printed once. Stop it
whenever you like: what was not acted on is still in a queue.
"""

import argparse
import json
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

WAIT_SECONDS = 5
# A Region that does not answer must not hold up the others.
CONFIG = Config(connect_timeout=2, read_timeout=WAIT_SECONDS + 5, retries={"total_max_attempts": 1})


class Ends:
    """The ends that were acted on. Keep it where you act, and change both in one transaction."""

    def __init__(self, file: str) -> None:
        self.database = sqlite3.connect(file)
        self.database.execute("CREATE TABLE IF NOT EXISTS ends (id TEXT PRIMARY KEY, payment TEXT, status TEXT)")

    def act(self, detail: Mapping[str, Any]) -> bool:
        """Act on an end, unless that was done before; whether it was new."""
        with self.database:
            told = (detail["id"], detail["transactionId"], detail["status"])
            new = self.database.execute("INSERT OR IGNORE INTO ends VALUES (?, ?, ?)", told).rowcount == 1
            if new:  # what it means to you goes here: an e-mail, a parcel, a line in your books
                print(json.dumps(detail), flush=True)
        return new


class Queue:
    """The queue of one Region."""

    def __init__(self, name: str, region: str) -> None:
        self.name, self.region = name, region
        self.api = boto3.client("sqs", region_name=region, config=CONFIG)
        self.url = ""

    def messages(self, wait: int) -> list[Mapping[str, Any]]:
        """What is there within so many seconds; nothing while the Region does not answer."""
        try:
            self.url = self.url or self.api.get_queue_url(QueueName=self.name)["QueueUrl"]
            answer = self.api.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=wait)
        except (BotoCoreError, ClientError) as error:
            print(f"{self.region}: {error}", file=sys.stderr)
            time.sleep(1)
            return []
        return [*answer.get("Messages", [])]

    def delete(self, message: Mapping[str, Any]) -> None:
        """Only once it was acted on. What is not deleted comes again, which is harmless."""
        try:
            self.api.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        except (BotoCoreError, ClientError) as error:
            print(f"{self.region}: {error}", file=sys.stderr)


def events(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The end that a message tells of; of what is in doubt there is nothing to do but to wait."""
    event = json.loads(message["Body"])
    if event["source"] == "payment.outcomes" and event["detail"]["status"] != "IN_DOUBT":
        yield event["detail"]


def main() -> int:
    """Read all queues until the time is over."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("queue")
    parser.add_argument("regions", nargs="+", metavar="REGION")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    given = parser.parse_args()
    ends, queues = Ends(given.file), [Queue(given.queue, region) for region in given.regions]
    until = time.monotonic() + given.seconds
    with ThreadPoolExecutor(len(queues)) as pool:
        while (left := until - time.monotonic()) > 0:
            waits = [int(min(WAIT_SECONDS, left))] * len(queues)
            for queue, messages in zip(queues, pool.map(Queue.messages, queues, waits), strict=True):
                for message in messages:
                    for detail in events(message):
                        ends.act(detail)
                    queue.delete(message)
    return 0


if __name__ == "__main__":
    sys.exit(main())
