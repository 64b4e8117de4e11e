"""A queue in each Region that takes the outcome events of an environment, as a merchant's system would."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from localcloud.client import ACCOUNT
from tests.e2e.support import REGIONS, Environment, eventually


@dataclass(frozen=True)
class Subscriber:
    """Made by `subscribe`."""

    environment: Environment
    name: str
    seen: dict[str, list[dict[str, Any]]]
    """The events by Region, in the order in which they were taken."""

    def take(self, region: str) -> None:
        """All that is in a Region's queue."""
        api = self.environment.client("sqs", region)
        url = api.get_queue_url(QueueName=self.name)["QueueUrl"]
        while messages := api.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.seen[region].append(json.loads(message["Body"]))
                api.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def of(self, payment: str, region: str) -> list[dict[str, Any]]:
        """What a Region told of a payment."""
        self.take(region)
        return [event for event in self.seen[region] if event["detail"]["transactionId"] == payment]

    def told(
        self, payment: str, region: str, wanted: Callable[[dict[str, Any]], bool] = lambda _: True, *, seconds: int = 30
    ) -> dict[str, Any]:
        """The first event of a payment, once there is one."""
        return eventually(lambda: next(filter(wanted, self.of(payment, region)), None), seconds=seconds)


def subscribe(
    environment: Environment, name: str, pattern: Mapping[str, Any] = MappingProxyType({"source": ["payment.outcomes"]})
) -> Subscriber:
    """A rule on each Region's bus and a queue behind it."""
    for region in REGIONS:
        queues, events = environment.client("sqs", region), environment.client("events", region)
        url = queues.create_queue(QueueName=name)["QueueUrl"]
        queue = f"arn:aws:sqs:{region}:{ACCOUNT}:{name}"
        bus = f"payment-events-{region}-{environment.name}"
        rule = events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(dict(pattern)))["RuleArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": queue}])
    return Subscriber(environment, name, {region: [] for region in REGIONS})
