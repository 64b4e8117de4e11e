"""SNS: deliveries to queues of other Regions, over the network between them, as the queue and its key allow."""

import logging
from functools import partial
from typing import Any, Final

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import request_scope
from ministack.services import sns

from localcloud.cloud import Cloud
from localcloud.gaps import patching
from localcloud.gaps.patching import Properties
from localcloud.iam.rights import DeniedError

SERVICE: Final = "sns.amazonaws.com"
logger = logging.getLogger("localcloud.notifications")


def install(cloud: Cloud) -> None:
    """Wrap SNS's delivery to a queue, and keep the key of a template's topic."""
    patching.wrap(sns, "_deliver_to_sqs", partial(_deliver, cloud))
    patching.wrap_resource("AWS::SNS::Topic", _complete)


def _deliver(cloud: Cloud, deliver: Any, endpoint: str, *arguments: Any, topic_arn: str = "", **options: Any) -> None:
    """Deliver to the queue when its Region can be reached."""
    act = partial(deliver, endpoint, *arguments, topic_arn=topic_arn, **options)
    try:
        topic, queue = parse_arn(topic_arn), parse_arn(endpoint)
    except ArnParseError:
        act()
        return

    def arrive() -> None:
        source = {"aws:SourceArn": topic_arn, "aws:SourceAccount": topic.account_id}
        try:
            cloud.rights.require(SERVICE, "sqs:SendMessage", endpoint, source, by="a notification for a queue")
            cloud.rights.require_key_of(SERVICE, endpoint, by="a notification for a queue")
        except DeniedError as error:
            logger.warning("%s dropped a notification: %s", topic_arn, error)
            return
        with request_scope(topic.account_id, topic.region):
            act()

    cloud.deliveries.deliver("notification", topic.region, queue.region, arrive)


def _complete(physical_id: str, properties: Properties, _old: Properties) -> None:
    sns._topics[physical_id]["attributes"]["KmsMasterKeyId"] = properties.get("KmsMasterKeyId", "")
