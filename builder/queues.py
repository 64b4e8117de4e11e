"""The dead-letter queue of a Region and the inbox for the alerts of all Regions (docs/design.md, "Events between
Regions" and "Alerts")."""

from awacs.aws import Principal
from troposphere import GetAtt, Sub, Template
from troposphere.kms import Key
from troposphere.sqs import Queue, QueuePolicy

from builder.intrinsics import arn, tags
from builder.names import BUS, DEAD_LETTERS, INBOX, TOPIC
from builder.parameters import of_rank
from builder.policies import allow, document, from_source, only_tls
from builder.settings import Settings

DEAD_LETTERS_POLICY = "DeadLetterQueuePolicy"
"""What sends dead letters by a policy of the queue depends on it: one refused meanwhile would be lost."""
KEPT = 14 * 24 * 3600  # seconds; the longest that SQS keeps a message


def add_dead_letters(template: Template, key: Key) -> Queue:
    """Workflows and events that failed for good; `payctl redrive` starts them again."""
    queue = template.add_resource(
        Queue(
            "DeadLetterQueue",
            QueueName=Sub(DEAD_LETTERS),
            KmsMasterKeyId=GetAtt(key, "Arn"),
            MessageRetentionPeriod=KEPT,
            Tags=tags(DEAD_LETTERS),
        )
    )
    sources = (
        f"event-bus/{BUS}",
        f"rule/{BUS}/payment-failover-*-${{EnvironmentSuffix}}",
        "rule/payment-janitor-*-${EnvironmentSuffix}",
    )
    template.add_resource(
        QueuePolicy(
            DEAD_LETTERS_POLICY,
            Queues=[queue.ref()],
            PolicyDocument=document(
                allow(
                    "sqs:SendMessage",
                    GetAtt(queue, "Arn"),
                    from_source(*(arn("events", source) for source in sources)),
                    Principal=Principal("Service", "events.amazonaws.com"),
                    Sid="RulesOfThisRegion",
                ),
                only_tls(("sqs:*",), GetAtt(queue, "Arn")),
            ),
        )
    )
    return queue


def add_inbox(template: Template, settings: Settings) -> Queue:
    """The inbox: alerts of all Regions' topics."""
    queue = template.add_resource(
        Queue(
            "AlertsInbox",
            QueueName=Sub(INBOX),
            KmsMasterKeyId=of_rank("KeyArns", "Rank"),
            MessageRetentionPeriod=KEPT,
            Tags=tags(INBOX),
        )
    )
    topics = [
        Sub(f"arn:${{AWS::Partition}}:sns:{region}:${{AWS::AccountId}}:" + TOPIC.replace("${AWS::Region}", region))
        for region in settings.regions
    ]
    template.add_resource(
        QueuePolicy(
            "AlertsInboxPolicy",
            Queues=[queue.ref()],
            PolicyDocument=document(
                allow(
                    "sqs:SendMessage",
                    GetAtt(queue, "Arn"),
                    from_source(*topics),
                    Principal=Principal("Service", "sns.amazonaws.com"),
                    Sid="TopicsOfAllRegions",
                ),
                only_tls(("sqs:*",), GetAtt(queue, "Arn")),
            ),
        )
    )
    return queue
