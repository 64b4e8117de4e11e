"""SNS to queues of other Regions, over the network between them."""

from functools import partial
from typing import Any

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import request_scope
from ministack.services import sns

from localcloud import deliveries
from localcloud.gaps import patching

_deliver_to_sqs = sns._deliver_to_sqs


def install() -> None:
    """Wrap SNS's delivery to a queue."""
    patching.replace(sns, "_deliver_to_sqs", deliver)


def deliver(endpoint: str, *arguments: Any, topic_arn: str = "", **options: Any) -> None:
    """Deliver to the queue when its Region can be reached."""
    act = partial(_deliver_to_sqs, endpoint, *arguments, topic_arn=topic_arn, **options)
    try:
        topic, queue = parse_arn(topic_arn), parse_arn(endpoint)
    except ArnParseError:
        act()
        return

    def arrive() -> None:
        with request_scope(topic.account_id, topic.region):
            act()

    deliveries.deliver("notification", topic.region, queue.region, arrive)
