"""Every part of docs/design.md, "What is deployed", that templates can show, as an assertion on what each Region will
hold."""

import fnmatch
import itertools
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from builder.lint.evaluate import Resolved, resolve
from tests.templates.conftest import REGIONS, regional


def only(stack: Resolved, kind: str) -> dict[str, Any]:
    (properties,) = stack.of_type(kind).values()
    return properties


class TestGlobalTable:
    """docs/design.md, "The public record"."""

    def test_key_billing_and_stream(self, spanning: Resolved) -> None:
        table = only(spanning, "AWS::DynamoDB::GlobalTable")
        assert table["TableName"] == "payments-dev"
        assert table["KeySchema"] == [{"AttributeName": "TransactionId", "KeyType": "HASH"}]
        assert {"AttributeName": "TransactionId", "AttributeType": "S"} in table["AttributeDefinitions"]
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}

    def test_timestamp_index_on_a_number(self, spanning: Resolved) -> None:
        table = only(spanning, "AWS::DynamoDB::GlobalTable")
        assert table["GlobalSecondaryIndexes"] == [
            {
                "IndexName": "TimestampIndex",
                "KeySchema": [{"AttributeName": "Timestamp", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ]
        assert {"AttributeName": "Timestamp", "AttributeType": "N"} in table["AttributeDefinitions"]

    def test_every_replica_has_recovery_and_its_own_regions_key(
        self, spanning: Resolved, regions: tuple[str, ...]
    ) -> None:
        table = only(spanning, "AWS::DynamoDB::GlobalTable")
        assert [replica["Region"] for replica in table["Replicas"]] == list(regions)
        assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS"}
        for replica in table["Replicas"]:
            assert replica["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
            key = f"arn:aws:kms:{replica['Region']}:123456789012:key/Key-{replica['Region']}"
            assert replica["SSESpecification"] == {"KMSMasterKeyId": key}


class TestRegister:
    """docs/design.md, "The register table"."""

    def test_plain_table_with_key_recovery_and_no_expiry(self, stack: Resolved) -> None:
        table = only(stack, "AWS::DynamoDB::Table")
        assert table["TableName"] == f"payment-register-{stack.region}-dev"
        assert table["KeySchema"] == [{"AttributeName": "TransactionId", "KeyType": "HASH"}]
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table["SSESpecification"]["SSEType"] == "KMS"
        assert table["SSESpecification"]["KMSMasterKeyId"].startswith(f"arn:aws:kms:{stack.region}:")
        assert not {"TimeToLiveSpecification", "StreamSpecification"} & set(table)

    def test_units_where_they_are_provisioned(self, templates: dict[str, Any]) -> None:
        """Of the table and of its index, which would throttle it."""
        for stack in regional(templates, RegisterWrites=390, RegisterReads=97).values():
            table = only(stack, "AWS::DynamoDB::Table")
            assert table["BillingMode"] == "PROVISIONED"
            for part in (table, *table["GlobalSecondaryIndexes"]):
                assert part["ProvisionedThroughput"] == {"ReadCapacityUnits": 97, "WriteCapacityUnits": 390}

    def test_sparse_index_of_what_is_due(self, stack: Resolved) -> None:
        table = only(stack, "AWS::DynamoDB::Table")
        assert table["GlobalSecondaryIndexes"] == [
            {
                "IndexName": "due",
                "KeySchema": [
                    {"AttributeName": "due_shard", "KeyType": "HASH"},
                    {"AttributeName": "due_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ]


class TestFunctions:
    """docs/design.md, "Functions"."""

    def test_processor(self, stack: Resolved) -> None:
        processor = stack.of_type("AWS::Lambda::Function")["Processor"]
        wanted = {
            "FunctionName": f"payment-processor-{stack.region}-dev",
            "Architectures": ["arm64"],
            "Handler": "payments.function.handler",
            "MemorySize": 3072,
            "Timeout": 900,
            "ReservedConcurrentExecutions": 2,
            "TracingConfig": {"Mode": "Active"},
            "Code": {
                "S3Bucket": f"payment-artifacts-{stack.region}-123456789012",
                "S3Key": f"code/{'0' * 64}.zip",
                "S3ObjectVersion": ["first", "second", "third"][REGIONS.index(stack.region)],
            },
        }
        assert {key: processor[key] for key in wanted} == wanted
        assert processor["Runtime"].startswith("python3.")

    def test_each_has_its_own_role_and_encrypted_log_group(self, stack: Resolved) -> None:
        functions = stack.of_type("AWS::Lambda::Function")
        assert {properties["Handler"] for properties in functions.values()} == {
            "index.handler",
            "payments.function.handler",
            "payments.outcomes.handler",
            "payments.health.handler",
            "payments.janitor.handler",
        }
        assert len({properties["Role"] for properties in functions.values()}) == 5
        groups = {group["LogGroupName"]: group for group in stack.of_type("AWS::Logs::LogGroup").values()}
        for properties in functions.values():
            group = groups[properties["LoggingConfig"]["LogGroup"]]
            assert group["LogGroupName"] == f"/aws/lambda/{properties['FunctionName']}"
            assert group["RetentionInDays"] == 7
            if "Environment" in properties:  # of each call only what failed is told by Lambda itself
                told = {"LogFormat": "JSON", "SystemLogLevel": "WARN"}
                assert properties["LoggingConfig"] == {"LogGroup": group["LogGroupName"], **told}
            assert group["KmsKeyId"].startswith(f"arn:aws:kms:{stack.region}:")
            # Of its variables, and the check has none.
            assert properties.get("KmsKeyArn") == (group["KmsKeyId"] if "Environment" in properties else None)

    def test_no_function_keeps_what_it_failed_on(self, stack: Resolved) -> None:
        """A dead letter of Lambda is the whole event."""
        for properties in stack.of_type("AWS::Lambda::Function").values():
            assert "DeadLetterConfig" not in properties
        for properties in stack.of_type("AWS::Lambda::EventInvokeConfig").values():
            assert "DestinationConfig" not in properties

    def test_the_cap_is_a_parameter_and_spares_the_health_check(self, templates: dict[str, Any]) -> None:
        capped = _reserved(templates, 7)
        assert capped == {"Processor": 7, "Janitor": 5, "Health": None, "Outcomes": None, "Check": None}
        assert _reserved(templates, 0) == dict.fromkeys(capped)

    def test_variables_are_the_contract(self, stack: Resolved, regions: tuple[str, ...]) -> None:
        variables = stack.of_type("AWS::Lambda::Function")["Processor"]["Environment"]["Variables"]
        assert variables == {
            "ACCOUNT": "123456789012",
            "BUCKET": f"payment-receipts-{stack.region}-dev-123456789012",
            "BUS": f"payment-events-{stack.region}-dev",
            "DEAD_LETTERS": stack.outputs["DeadLetterQueueUrl"],
            "ENVIRONMENT": "dev",
            "INDEX_SHARDS": 16,
            "JANITORS": 5,
            "PROCESSOR_DEDUPLICATES": "false",
            "PROCESSOR_KEY_HOURS": 24,
            "PROCESSOR_KIND": "http",
            "PROCESSOR_SECRET": "processor-key",
            "RAIL": "https://processor.example",
            "REGIONS": ",".join(regions),
            "STATE_MACHINE": stack.outputs["StateMachineArn"],
            "TABLE": "payments-dev",
            "TEST_FAULTS": "false",
        }

    def test_without_a_processor_the_rail_is_the_ledger(self, unlinked: dict[str, Resolved]) -> None:
        for stack in unlinked.values():
            variables = stack.of_type("AWS::Lambda::Function")["Processor"]["Environment"]["Variables"]
            assert (variables["RAIL"], variables["PROCESSOR_SECRET"]) == ("ledger", "")


def _reserved(templates: dict[str, Any], cap: int) -> dict[str, Any]:
    stack = resolve(
        templates["regional"],
        region="eu-west-1",
        EnvironmentSuffix="dev",
        CodeHash="0" * 64,
        ReservedConcurrency=cap,
    )
    functions = stack.of_type("AWS::Lambda::Function")
    return {name: body.get("ReservedConcurrentExecutions") for name, body in functions.items()}


class TestEvents:
    """docs/design.md, "Events between Regions"."""

    def test_a_rule_for_each_ordered_pair(self, linked: dict[str, Resolved], regions: tuple[str, ...]) -> None:
        names = {
            rule["Name"]
            for stack in linked.values()
            for rule in stack.of_type("AWS::Events::Rule").values()
            if "-to-" in rule["Name"]
        }
        assert names == {
            f"payment-failover-{source}-to-{target}-dev" for source in regions for target in regions if source != target
        }

    def test_every_target_retries_and_has_a_dead_letter_queue(self, stack: Resolved) -> None:
        for name, rule in stack.of_type("AWS::Events::Rule").items():
            for target in rule["Targets"]:
                assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 3}, name
                assert target["DeadLetterConfig"]["Arn"].endswith(f":payment-dead-letters-{stack.region}-dev"), name

    def test_the_queue_admits_the_rules(self, stack: Resolved) -> None:
        policy = stack.of_type("AWS::SQS::QueuePolicy")["DeadLetterQueuePolicy"]["PolicyDocument"]
        admits = policy["Statement"][0]
        assert admits["Principal"] == {"Service": "events.amazonaws.com"}
        assert admits["Action"] == ["sqs:SendMessage"]
        assert admits["Condition"] == {
            "ArnLike": {
                "aws:SourceArn": [
                    f"arn:aws:events:{stack.region}:123456789012:event-bus/payment-events-{stack.region}-dev",
                    f"arn:aws:events:{stack.region}:123456789012:rule/payment-events-{stack.region}-dev/payment-failover-*-dev",
                    f"arn:aws:events:{stack.region}:123456789012:rule/payment-janitor-*-dev",
                ]
            }
        }

    def test_the_janitor_runs_each_minute_unless_intake_is_off(
        self, stack: Resolved, templates: dict[str, Any]
    ) -> None:
        schedule = stack.of_type("AWS::Events::Rule")["JanitorSchedule"]
        assert (schedule["ScheduleExpression"], schedule["State"]) == ("rate(1 minute)", "ENABLED")
        off = resolve(
            templates["regional"], region=stack.region, EnvironmentSuffix="dev", CodeHash="0" * 64, Intake="off"
        )
        assert off.of_type("AWS::Events::Rule")["JanitorSchedule"]["State"] == "DISABLED"


class TestKey:
    """docs/design.md, "Keys"."""

    def test_rotation_window_and_alias(self, stack: Resolved, templates: dict[str, Any]) -> None:
        key = only(stack, "AWS::KMS::Key")
        assert (key["EnableKeyRotation"], key["PendingWindowInDays"]) == (True, 7)
        assert only(stack, "AWS::KMS::Alias")["AliasName"] == f"alias/payment-processing-{stack.region}-dev"
        guarded = resolve(
            templates["regional"], region=stack.region, EnvironmentSuffix="dev", CodeHash="0" * 64, Protect="true"
        )
        assert only(guarded, "AWS::KMS::Key")["PendingWindowInDays"] == 30

    def test_policy_admits_the_services_that_use_it_and_no_others(self, stack: Resolved) -> None:
        statements = only(stack, "AWS::KMS::Key")["KeyPolicy"]["Statement"]
        services = {body["Principal"]["Service"] for body in statements if "Service" in body["Principal"]}
        assert services - {"sns.amazonaws.com"} == {
            "cloudwatch.amazonaws.com",
            "delivery.logs.amazonaws.com",
            "events.amazonaws.com",
            f"logs.{stack.region}.amazonaws.com",
        }
        # SNS delivers to the inbox, which is in the home Region.
        assert ("sns.amazonaws.com" in services) is (stack.region == "us-east-1")

    def test_events_statement_has_no_condition_that_would_drop_messages(self, stack: Resolved) -> None:
        """docs/aws.md, "Services that use a key themselves"."""
        statements = only(stack, "AWS::KMS::Key")["KeyPolicy"]["Statement"]
        (events,) = [body for body in statements if body["Sid"] == "EventsToDeadLetters"]
        assert "Condition" not in events

    def test_log_statement_names_every_log_group(self, stack: Resolved) -> None:
        statements = only(stack, "AWS::KMS::Key")["KeyPolicy"]["Statement"]
        (logs,) = [body for body in statements if body["Sid"] == "LogGroups"]
        patterns = logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
        for group in stack.of_type("AWS::Logs::LogGroup").values():
            arn = f"arn:aws:logs:{stack.region}:123456789012:log-group:{group['LogGroupName']}"
            assert any(fnmatch.fnmatchcase(arn, pattern) for pattern in patterns), arn

    def test_everything_that_can_is_encrypted_with_it(self, stack: Resolved, spanning: Resolved) -> None:
        properties: dict[str, Callable[[Any], str]] = {
            "AWS::DynamoDB::Table": lambda body: body["SSESpecification"]["KMSMasterKeyId"],
            "AWS::Events::EventBus": lambda body: body["KmsKeyIdentifier"],
            "AWS::Lambda::Function": lambda body: body["KmsKeyArn"],
            "AWS::Logs::LogGroup": lambda body: body["KmsKeyId"],
            "AWS::S3::Bucket": lambda body: body["BucketEncryption"]["ServerSideEncryptionConfiguration"][0][
                "ServerSideEncryptionByDefault"
            ]["KMSMasterKeyID"],
            "AWS::SNS::Topic": lambda body: body["KmsMasterKeyId"],
            "AWS::SQS::Queue": lambda body: body["KmsMasterKeyId"],
            "AWS::StepFunctions::StateMachine": lambda body: body["EncryptionConfiguration"]["KmsKeyId"],
        }
        for kind, key_of in properties.items():
            found = stack.of_type(kind)
            assert found, kind
            # The check of a release has no variables that could be encrypted.
            assert {key_of(body) for name, body in found.items() if name != "Check"} == {
                f"arn:aws:kms:{stack.region}:123456789012:key/Key-{stack.region}"
            }
        assert only(spanning, "AWS::SQS::Queue")["KmsMasterKeyId"].endswith(f"Key-{spanning.region}")


class TestTransport:
    """docs/aws.md, "TLS of an API"."""

    def test_neither_address_of_an_api_speaks_less_than_tls_1_2(self, with_domain: dict[str, Resolved]) -> None:
        for stack in with_domain.values():
            api, domain = only(stack, "AWS::ApiGateway::RestApi"), only(stack, "AWS::ApiGateway::DomainName")
            assert re.fullmatch(r"SecurityPolicy_TLS13_1_[23]_\w+", api["SecurityPolicy"])
            assert api["EndpointAccessMode"] in ("BASIC", "STRICT"), "API Gateway refuses the policy without it"
            assert domain["SecurityPolicy"] == "TLS_1_2"


class TestTopic:
    """docs/design.md, "Alerts"."""

    def test_topic_has_a_name_for_people(self, stack: Resolved) -> None:
        topic = only(stack, "AWS::SNS::Topic")
        assert topic["TopicName"] == f"payment-alerts-{stack.region}-dev"
        assert topic["DisplayName"] == f"Payments dev {stack.region}"
        assert len(topic["DisplayName"]) <= 100

    def test_all_topics_reach_the_inbox_at_home(self, linked: dict[str, Resolved], spanning: Resolved) -> None:
        for stack in linked.values():
            subscription = stack.of_type("AWS::SNS::Subscription")["InboxSubscription"]
            assert (subscription["Protocol"], subscription["Endpoint"]) == (
                "sqs",
                "arn:aws:sqs:us-east-1:123456789012:payment-alerts-inbox-dev",
            )
        policy = only(spanning, "AWS::SQS::QueuePolicy")["PolicyDocument"]["Statement"][0]
        assert policy["Principal"] == {"Service": "sns.amazonaws.com"}
        assert policy["Condition"]["ArnLike"]["aws:SourceArn"] == [
            f"arn:aws:sns:{region}:123456789012:payment-alerts-{region}-dev" for region in linked
        ]

    def test_mail_is_optional(self, templates: dict[str, Any], linked: dict[str, Resolved]) -> None:
        assert "EmailSubscription" not in linked["us-east-1"].resources
        told = resolve(
            templates["regional"],
            region="us-east-1",
            EnvironmentSuffix="dev",
            CodeHash="0" * 64,
            AlertEmail="pay@example.com",
        )
        assert told.of_type("AWS::SNS::Subscription")["EmailSubscription"]["Endpoint"] == "pay@example.com"


class TestReceipts:
    """docs/design.md, "Receipts"."""

    def test_bucket(self, stack: Resolved) -> None:
        bucket = only(stack, "AWS::S3::Bucket")
        assert bucket["BucketName"] == f"payment-receipts-{stack.region}-dev-123456789012"
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        assert bucket["LoggingConfiguration"]["DestinationBucketName"] == (
            f"payment-access-logs-{stack.region}-123456789012"
        )

    def test_replicated_to_the_two_other_regions_with_their_keys(
        self, stack: Resolved, regions: tuple[str, ...]
    ) -> None:
        rules = only(stack, "AWS::S3::Bucket")["ReplicationConfiguration"]["Rules"]
        found = {
            (rule["Destination"]["Bucket"], rule["Destination"]["EncryptionConfiguration"]["ReplicaKmsKeyID"])
            for rule in rules
        }
        assert found == {
            (
                f"arn:aws:s3:::payment-receipts-{region}-dev-123456789012",
                f"arn:aws:kms:{region}:123456789012:key/Key-{region}",
            )
            for region in regions
            if region != stack.region
        }
        for rule in rules:
            assert rule["SourceSelectionCriteria"] == {"SseKmsEncryptedObjects": {"Status": "Enabled"}}

    @pytest.mark.parametrize("name", ["regional", "global", "bootstrap"])
    def test_no_bucket_queue_or_topic_without_tls(self, templates: dict[str, Any], name: str) -> None:
        resources = templates[name]["Resources"]
        unguarded = {each for each, body in resources.items() if body["Type"] in POLICIES}
        assert unguarded
        for body in resources.values():
            if body["Type"] in POLICIES.values() and denies_plain_http(body["Properties"]["PolicyDocument"]):
                of = (
                    body["Properties"].get("Bucket") or body["Properties"].get("Queues") or body["Properties"]["Topics"]
                )
                unguarded -= {reference["Ref"] for reference in (of if isinstance(of, list) else [of])}
        assert not unguarded


POLICIES = {
    "AWS::S3::Bucket": "AWS::S3::BucketPolicy",
    "AWS::SQS::Queue": "AWS::SQS::QueuePolicy",
    "AWS::SNS::Topic": "AWS::SNS::TopicPolicy",
}


def denies_plain_http(document: dict[str, Any]) -> bool:
    return any(
        (statement["Effect"], statement["Principal"], statement.get("Condition"))
        == ("Deny", "*", {"Bool": {"aws:SecureTransport": "false"}})
        for statement in document["Statement"]
    )


class TestAlarms:
    """docs/design.md, "Alarms"."""

    def test_every_alarm_publishes_to_the_topic(self, stack: Resolved) -> None:
        topic = f"arn:aws:sns:{stack.region}:123456789012:payment-alerts-{stack.region}-dev"
        alarms = stack.of_type("AWS::CloudWatch::Alarm")
        for name, alarm in alarms.items():
            assert (alarm["AlarmActions"], alarm["OKActions"]) == ([topic], [topic]), name
            assert alarm["AlarmName"].endswith(f"-{stack.region}-dev"), name
            silence = "breaching" if name == "JanitorSilentAlarm" else "notBreaching"
            assert alarm["TreatMissingData"] == silence, name

    def test_all_that_the_row_asks_for(self, stack: Resolved) -> None:
        metrics = {metric for alarm in stack.of_type("AWS::CloudWatch::Alarm").values() for metric in _metrics(alarm)}
        assert metrics >= {
            ("AWS/Lambda", "Errors"),
            ("AWS/Lambda", "Throttles"),
            ("AWS/States", "ExecutionsFailed"),
            ("AWS/States", "ExecutionsTimedOut"),
            ("AWS/States", "ExecutionThrottled"),
            ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
            ("AWS/ApiGateway", "5XXError"),
            ("AWS/Events", "FailedInvocations"),
            ("AWS/DynamoDB", "ReplicationLatency"),
            ("AWS/S3", "ReplicationLatency"),
            ("AWS/S3", "OperationsFailedReplication"),
            ("Payments", "PeerUnanswered"),
            ("Payments", "OldestOverdueSeconds"),
            ("Payments", "Parked"),
            ("Payments", "Heartbeat"),
            ("Payments", "ResultConflict"),
        }

    def test_error_rate_over_a_thousandth_for_two_periods(self, stack: Resolved) -> None:
        alarm = stack.of_type("AWS::CloudWatch::Alarm")["LambdaErrorsAlarm"]
        assert alarm["AlarmName"] == f"payment-lambda-errors-{stack.region}-dev"
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0.1, "GreaterThanThreshold")
        assert alarm["EvaluationPeriods"] == 2
        queries = {query["Id"]: query for query in alarm["Metrics"]}
        assert queries["rate"]["Expression"] == "IF(invocations > 0, 100 * errors / invocations, 0)"
        for name in ("errors", "invocations"):
            metric = queries[name]["MetricStat"]
            assert (metric["Period"], metric["Stat"]) == (300, "Sum")
            assert metric["Metric"]["Dimensions"] == [
                {"Name": "FunctionName", "Value": f"payment-processor-{stack.region}-dev"}
            ]

    def test_overdue_for_more_than_five_minutes(self, stack: Resolved) -> None:
        alarm = stack.of_type("AWS::CloudWatch::Alarm")["PaymentsOverdueAlarm"]
        assert (alarm["Threshold"], alarm["Statistic"]) == (300, "Maximum")
        assert alarm["Dimensions"] == [
            {"Name": "Environment", "Value": "dev"},
            {"Name": "Region", "Value": stack.region},
        ]

    def test_event_alarm_watches_every_rule(self, stack: Resolved) -> None:
        alarm = stack.of_type("AWS::CloudWatch::Alarm")["FailedEventsAlarm"]
        watched = {
            (query["MetricStat"]["Metric"]["MetricName"], dimension["Value"])
            for query in alarm["Metrics"]
            if "MetricStat" in query
            for dimension in query["MetricStat"]["Metric"]["Dimensions"]
            if dimension["Name"] == "RuleName"
        }
        rules = [rule["Name"] for rule in stack.of_type("AWS::Events::Rule").values()]
        metrics = ("FailedInvocations", "InvocationsFailedToBeSentToDlq")
        assert watched == {*itertools.product(metrics, rules)}


def _metrics(alarm: dict[str, Any]) -> list[tuple[str, str]]:
    if "MetricName" in alarm:
        return [(alarm["Namespace"], alarm["MetricName"])]
    stats = [query["MetricStat"]["Metric"] for query in alarm["Metrics"] if "MetricStat" in query]
    return [(metric["Namespace"], metric["MetricName"]) for metric in stats]


class TestDashboard:
    """docs/design.md, "The dashboard"."""

    def test_every_metric_has_dimensions_and_a_region(self, spanning: Resolved) -> None:
        board = only(spanning, "AWS::CloudWatch::Dashboard")
        assert board["DashboardName"] == "payment-processing-dev"
        widgets = json.loads(board["DashboardBody"])["widgets"]
        for widget in widgets:
            for *path, options in widget["properties"]["metrics"]:
                assert len(path) >= 4, path
                assert len(path) % 2 == 0, path
                assert options["region"] in {"us-east-1", "eu-west-1", "ap-southeast-1"}, path
                assert all(path), path

    def test_all_that_the_row_asks_for_in_every_region(self, spanning: Resolved, regions: tuple[str, ...]) -> None:
        widgets = json.loads(only(spanning, "AWS::CloudWatch::Dashboard")["DashboardBody"])["widgets"]
        shown = {
            (metric[0], metric[1], metric[-1]["region"])
            for widget in widgets
            for metric in widget["properties"]["metrics"]
        }
        wanted = (
            [("AWS/Lambda", name) for name in ("Invocations", "Errors", "Duration", "Throttles")]
            + [("AWS/DynamoDB", f"Consumed{what}CapacityUnits") for what in ("Read", "Write")]
            + [("AWS/DynamoDB", "ReplicationLatency"), ("AWS/States", "ExecutionsStarted")]
            + [("AWS/ApiGateway", name) for name in ("Latency", "4XXError", "5XXError")]
            + [("AWS/SQS", "ApproximateNumberOfMessagesVisible"), ("Payments", "Payments"), ("Payments", "Amount")]
        )
        assert shown >= {(*metric, region) for metric in wanted for region in regions}

    def test_widgets_do_not_overlap(self, spanning: Resolved) -> None:
        widgets = json.loads(only(spanning, "AWS::CloudWatch::Dashboard")["DashboardBody"])["widgets"]
        assert len({(widget["x"], widget["y"]) for widget in widgets}) == len(widgets)
        assert max(widget["x"] + widget["width"] for widget in widgets) <= 24


class TestOutputs:
    """docs/design.md, "Outputs", and the contract with the operator's tool."""

    def test_regional(self, stack: Resolved) -> None:
        assert set(stack.outputs) == {
            "ApiEndpoint",
            "ApiId",
            "BucketName",
            "DeadLetterQueueArn",
            "DeadLetterQueueUrl",
            "EventBusArn",
            "FunctionArn",
            "FunctionName",
            "HealthFunctionArn",
            "JanitorFunctionArn",
            "KeyArn",
            "KeyId",
            "OutcomesFunctionArn",
            "RegisterTableName",
            "StateMachineArn",
            "TopicArn",
        }
        assert stack.outputs["ApiEndpoint"] == (
            f"https://Api-{stack.region}.execute-api.{stack.region}.amazonaws.com/prod"
        )

    def test_global(self, spanning: Resolved) -> None:
        assert set(spanning.outputs) == {"DashboardName", "InboxQueueArn", "InboxQueueUrl", "TableArn", "TableName"}

    def test_bootstrap_names_the_roles_at_home_only(self, bootstrap: dict[str, Resolved]) -> None:
        for region, stack in bootstrap.items():
            roles = {"AdministrationRoleArn", "ExecutionRoleName"} if region == "us-east-1" else set()
            assert set(stack.outputs) == {"AccessLogBucket", "ArtifactBucket"} | roles


class TestDeleting:
    """docs/design.md, "Deleting"."""

    STATEFUL = ("AWS::DynamoDB::GlobalTable", "AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::S3::Bucket")

    def test_what_holds_data_goes_with_the_stack_and_survives_a_replacement(self, templates: dict[str, Any]) -> None:
        found = 0
        for template in templates.values():
            for name, body in template["Resources"].items():
                if body["Type"] in self.STATEFUL:
                    found += 1
                    assert (body["DeletionPolicy"], body["UpdateReplacePolicy"]) == ("Delete", "Retain"), name
        assert found == 7

    @pytest.mark.parametrize(("protect", "guarded"), [("true", True), ("false", False)])
    def test_protect_guards_tables(self, templates: dict[str, Any], protect: str, guarded: bool) -> None:
        stack = resolve(
            templates["regional"], region="us-east-1", EnvironmentSuffix="dev", CodeHash="0" * 64, Protect=protect
        )
        assert only(stack, "AWS::DynamoDB::Table")["DeletionProtectionEnabled"] is guarded
        whole = resolve(
            templates["global"], region="us-east-1", EnvironmentSuffix="dev", KeyArns="a,b,c", Protect=protect
        )
        replicas = only(whole, "AWS::DynamoDB::GlobalTable")["Replicas"]
        assert {replica["DeletionProtectionEnabled"] for replica in replicas} == {guarded}

    def test_the_key_goes_last(self, templates: dict[str, Any]) -> None:
        """What uses the key refers to it, so CloudFormation deletes the user first."""
        resources = templates["regional"]["Resources"]
        for name in ("ReceiptsBucket", "RegisterTable", "AlertTopic", "DeadLetterQueue", "Processor", "WorkflowLogs"):
            assert '{"Fn::GetAtt": ["Key", "Arn"]}' in json.dumps(resources[name]), name


class TestDomain:
    """docs/design.md, "The custom domain"."""

    def test_nothing_of_it_without_a_name_or_before_the_link(
        self, linked: dict[str, Resolved], templates: dict[str, Any]
    ) -> None:
        early = resolve(
            templates["regional"],
            region="us-east-1",
            EnvironmentSuffix="dev",
            CodeHash="0" * 64,
            DomainName="pay.example.com",
            HostedZoneId="Z0",
        )
        for stack in [*linked.values(), early]:
            assert not [name for name in stack.resources if name.startswith(("Domain", "Certificate"))]

    def test_latency_record_with_a_health_check_of_its_own_region(self, with_domain: dict[str, Resolved]) -> None:
        for region, stack in with_domain.items():
            record = only(stack, "AWS::Route53::RecordSet")
            assert (record["Region"], record["SetIdentifier"], record["Type"]) == (region, region, "A")
            assert record["AliasTarget"]["EvaluateTargetHealth"] is True
            assert record["HealthCheckId"] == f"DomainHealthCheck-{region}"
            check = only(stack, "AWS::Route53::HealthCheck")["HealthCheckConfig"]
            assert check["FullyQualifiedDomainName"] == f"Api-{region}.execute-api.{region}.amazonaws.com"
            assert (check["Type"], check["ResourcePath"], check["EnableSNI"]) == ("HTTPS", "/prod/health", True)
            assert only(stack, "AWS::ApiGateway::DomainName")["RegionalCertificateArn"] == f"Certificate-{region}"
            assert only(stack, "AWS::ApiGateway::BasePathMapping")["Stage"] == f"ApiStage-{region}"

    def test_existing_certificates_are_used_in_rank_order(
        self, templates: dict[str, Any], regions: tuple[str, ...]
    ) -> None:
        for region, certificate in zip(regions, ("one", "two", "three"), strict=True):
            stack = resolve(
                templates["regional"],
                region=region,
                EnvironmentSuffix="dev",
                CodeHash="0" * 64,
                KeyArns="a,b,c",
                DomainName="pay.example.com",
                HostedZoneId="Z0",
                CertificateArns="one,two,three",
            )
            assert not stack.of_type("AWS::CertificateManager::Certificate")
            assert only(stack, "AWS::ApiGateway::DomainName")["RegionalCertificateArn"] == certificate
