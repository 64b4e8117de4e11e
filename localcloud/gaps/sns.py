"""SNS: deliveries to queues of other Regions, over the network between them."""

from functools import partial
from typing import Any

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import request_scope
from ministack.services import sns

from localcloud.cloud import Cloud
from localcloud.gaps import patching


def install(cloud: Cloud) -> None:
    """Wrap SNS's delivery to a queue."""
    patching.wrap(sns, "_deliver_to_sqs", partial(_deliver, cloud))


def _deliver(cloud: Cloud, deliver: Any, endpoint: str, *arguments: Any, topic_arn: str = "", **options: Any) -> None:
    """Deliver to the queue when its Region can be reached."""
    act = partial(deliver, endpoint, *arguments, topic_arn=topic_arn, **options)
    try:
        topic, queue = parse_arn(topic_arn), parse_arn(endpoint)
    except ArnParseError:
        act()
        return

    def arrive() -> None:
        with request_scope(topic.account_id, topic.region):
            act()

    cloud.deliveries.deliver("notification", topic.region, queue.region, arrive)
