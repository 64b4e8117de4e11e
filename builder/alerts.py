"""The alert topic of a Region and its subscribers (docs/design.md, "Alerts")."""

from awacs.aws import Principal
from troposphere import GetAtt, Ref, Sub, Template
from troposphere.kms import Key
from troposphere.sns import SubscriptionResource, Topic, TopicPolicy

from builder.intrinsics import tags
from builder.names import INBOX, TOPIC
from builder.policies import allow, document, from_account, only_tls

TOPIC_POLICY = "AlertTopicPolicy"
"""Alarms depend on it: what one tells before is refused, and never told again."""


def add_topic(template: Template, key: Key) -> Topic:
    """The topic: alarms of this account publish to it, the home Region's inbox and perhaps a person subscribe to it."""
    topic = template.add_resource(
        Topic(
            "AlertTopic",
            TopicName=Sub(TOPIC),
            DisplayName=Sub("Payments ${EnvironmentSuffix} ${AWS::Region}"),
            KmsMasterKeyId=GetAtt(key, "Arn"),
            Tags=tags(TOPIC),
        )
    )
    template.add_resource(
        TopicPolicy(
            TOPIC_POLICY,
            Topics=[topic.ref()],
            PolicyDocument=document(
                allow(
                    "sns:Publish",
                    topic.ref(),
                    from_account(),
                    Principal=Principal("Service", "cloudwatch.amazonaws.com"),
                    Sid="AlarmsOfThisAccount",
                ),
                only_tls(("sns:Publish",), topic.ref()),
            ),
        )
    )
    # The inbox is in the global stack: it exists when the Regions are linked.
    template.add_resource(
        SubscriptionResource(
            "InboxSubscription",
            Condition="Linked",
            TopicArn=topic.ref(),
            Protocol="sqs",
            Endpoint=Sub(f"arn:${{AWS::Partition}}:sqs:${{HomeRegion}}:${{AWS::AccountId}}:{INBOX}"),
        )
    )
    template.add_resource(
        SubscriptionResource(
            "EmailSubscription",
            Condition="HasEmail",
            TopicArn=topic.ref(),
            Protocol="email",
            Endpoint=Ref("AlertEmail"),
        )
    )
    return topic
