"""A leak in each store, made on purpose: in one Region, in things of its own, removed afterwards."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from localcloud.client import ACCOUNT
from tests.e2e.support import REGIONS, Environment
from tests.localcloud.conftest import zipped

REGION: Final = REGIONS[1]
NAME: Final = "leak"
# In whose name a number of digits stands, and which takes no other sign.
BARE: Final = ("topic", "bucket", "processor")
STORES: Final = (
    *(
        "alarm",
        "archive",
        "bucket",
        "event",
        "execution",
        "file",
        "function",
        "log",
        "metric",
        "object",
        "object's key",
    ),
    *("processor", "queue", "rule", "secret", "stack", "table", "topic", "trace"),
)


@contextmanager
def planted(environment: Environment, texts: Mapping[str, str]) -> Iterator[None]:
    """Each text in the store that it is for."""
    with ExitStack() as removing:
        plants = Plants(environment, removing, texts)
        plants.payments()
        plants.observations()
        plants.workflows()
        plants.descriptions()
        plants.objects()
        yield


class Plants:
    """Puts texts into stores; what is made is removed by `removing`."""

    def __init__(self, environment: Environment, removing: ExitStack, texts: Mapping[str, str]) -> None:
        self.environment = environment
        self.later = removing.callback
        self.texts = texts

    def at(self, service: str) -> Any:
        return self.environment.client(service, REGION)

    def role(self, of: str) -> str:
        """One that is there already."""
        return f"arn:aws:iam::{ACCOUNT}:role/payment-{of}-{REGION}-{self.environment.name}"

    def payments(self) -> None:
        table, key = f"payment-register-{REGION}-{self.environment.name}", {"TransactionId": {"S": ":leak"}}
        self.at("dynamodb").put_item(TableName=table, Item=key | {"x": {"S": self.texts["table"]}})
        self.later(self.at("dynamodb").delete_item, TableName=table, Key=key)
        queue = self.at("sqs").create_queue(QueueName=NAME)["QueueUrl"]
        self.later(self.at("sqs").delete_queue, QueueUrl=queue)
        self.at("sqs").send_message(QueueUrl=queue, MessageBody=self.texts["queue"])
        self.environment.cloud.admin("PUT", "/processor/admin", {"only": self.texts["processor"]})
        self.later(self.environment.cloud.admin, "DELETE", "/processor/admin")

    def observations(self) -> None:
        logs, stream = self.at("logs"), {"logGroupName": NAME, "logStreamName": NAME}
        logs.create_log_group(logGroupName=NAME)
        self.later(logs.delete_log_group, logGroupName=NAME)
        logs.create_log_stream(**stream)
        logs.put_log_events(**stream, logEvents=[{"timestamp": int(time.time() * 1000), "message": self.texts["log"]}])
        metric = {"MetricName": NAME, "Value": 1, "Dimensions": [{"Name": "x", "Value": self.texts["metric"]}]}
        self.at("cloudwatch").put_metric_data(Namespace=NAME, MetricData=[metric])
        self.at("cloudwatch").put_metric_alarm(
            AlarmName=NAME,
            AlarmDescription=self.texts["alarm"],
            Namespace=NAME,
            MetricName=NAME,
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            Statistic="Sum",
            ComparisonOperator="GreaterThanThreshold",
        )
        self.later(self.at("cloudwatch").delete_alarms, AlarmNames=[NAME])
        segment = {"trace_id": f"1-{int(time.time()):08x}-{'a' * 24}", "id": "a" * 16, "start_time": time.time()}
        self.at("xray").put_trace_segments(TraceSegmentDocuments=[json.dumps(segment | {"name": self.texts["trace"]})])

    def workflows(self) -> None:
        states = {"A": {"Type": "Pass", "Result": self.texts["execution"], "End": True}}
        machine = self.at("stepfunctions").create_state_machine(
            name=NAME, roleArn=self.role("workflow"), definition=json.dumps({"StartAt": "A", "States": states})
        )["stateMachineArn"]
        self.later(self.at("stepfunctions").delete_state_machine, stateMachineArn=machine)
        self.at("stepfunctions").start_execution(stateMachineArn=machine)
        bus = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/payment-events-{REGION}-{self.environment.name}"
        events = self.at("events")
        own = json.dumps({"source": [NAME]})
        events.create_archive(ArchiveName=NAME, EventSourceArn=bus, Description=self.texts["archive"], EventPattern=own)
        self.later(events.delete_archive, ArchiveName=NAME)
        detail = json.dumps({"x": self.texts["event"]})
        events.put_events(Entries=[{"EventBusName": bus, "Source": NAME, "DetailType": NAME, "Detail": detail}])
        events.put_rule(Name=NAME, ScheduleExpression="rate(7 days)", State="DISABLED", Description=self.texts["rule"])
        self.later(events.delete_rule, Name=NAME)

    def descriptions(self) -> None:
        template = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
        tags = [{"Key": "x", "Value": self.texts["stack"]}]
        self.at("cloudformation").create_stack(StackName=NAME, TemplateBody=template, Tags=tags)
        self.later(self.at("cloudformation").delete_stack, StackName=NAME)
        self.at("lambda").create_function(
            FunctionName=NAME,
            Role=self.role("processor"),
            Runtime="python3.13",
            Handler="index.handler",
            Code={"ZipFile": zipped("")},
            Description=self.texts["function"],
        )
        self.later(self.at("lambda").delete_function, FunctionName=NAME)
        self.at("secretsmanager").create_secret(Name=NAME, Description=self.texts["secret"], SecretString="x")
        self.later(self.at("secretsmanager").delete_secret, SecretId=NAME, ForceDeleteWithoutRecovery=True)
        topic = self.at("sns").create_topic(Name=f"{NAME}-{self.texts['topic']}")["TopicArn"]
        self.later(self.at("sns").delete_topic, TopicArn=topic)

    def objects(self) -> None:
        bucket, s3 = f"{NAME}-{self.texts['bucket']}", self.environment.client("s3")
        s3.create_bucket(Bucket=bucket)
        self.later(s3.delete_bucket, Bucket=bucket)
        s3.put_object(Bucket=bucket, Key=self.texts["object's key"], Body=self.texts["object"].encode())
        self.later(s3.delete_object, Bucket=bucket, Key=self.texts["object's key"])
        file = self.environment.cloud.log.parent / NAME
        file.write_text(self.texts["file"])
        self.later(file.unlink)
