"""The same resources as templates/*.json, by AWS CDK, to measure what its synthesis takes (`make bench PEERS=1`).

Same kinds and numbers of resources, one regional and one global stack; written as CDK users write, with its own
constructs where it has them. It is measured, never deployed.
"""

import tempfile

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks

REGION, PEERS, ENVIRONMENT, ACCOUNT = "us-east-1", ("eu-west-1", "ap-southeast-1"), "dev", "123456789012"
KEY = "12345678-1234-1234-1234-123456789012"
ANSWERS = (
    ("access_denied", "ACCESS_DENIED"),
    ("bad_request_body", "BAD_REQUEST_BODY"),
    ("bad_request_parameters", "BAD_REQUEST_PARAMETERS"),
    ("default_4xx", "DEFAULT_4_XX"),
    ("default_5xx", "DEFAULT_5_XX"),
    ("expired_token", "EXPIRED_TOKEN"),
    ("invalid_signature", "INVALID_SIGNATURE"),
    ("missing_token", "MISSING_AUTHENTICATION_TOKEN"),
    ("too_large", "REQUEST_TOO_LARGE"),
    ("not_found", "RESOURCE_NOT_FOUND"),
    ("throttled", "THROTTLED"),
    ("media_type", "UNSUPPORTED_MEDIA_TYPE"),
)


class Regional(cdk.Stack):
    """One Region."""

    def __init__(self, app: cdk.App) -> None:
        super().__init__(app, "regional", env=cdk.Environment(account=ACCOUNT, region=REGION))
        self.key = kms.Key(self, "Key", enable_key_rotation=True, alias=f"payment-processing-{REGION}-{ENVIRONMENT}")
        self.receipts = self.add_receipts()
        self.register = self.add_register()
        self.dead_letters = sqs.Queue(
            self, "DeadLetters", encryption=sqs.QueueEncryption.KMS, encryption_master_key=self.key, enforce_ssl=True
        )
        self.topic = sns.Topic(self, "Alerts", display_name="Payments", master_key=self.key, enforce_ssl=True)
        self.topic.add_subscription(subscriptions.EmailSubscription("pay@example.com"))
        inbox = sqs.Queue.from_queue_arn(self, "Inbox", f"arn:aws:sqs:{REGION}:{ACCOUNT}:payment-alerts-inbox-dev")
        self.topic.add_subscription(subscriptions.SqsSubscription(inbox))
        self.processor = self.add_function("processor", 3072, 900)
        self.health = self.add_function("health", 256, 10)
        self.janitor = self.add_function("janitor", 1024, 55)
        for function in (self.processor, self.janitor):
            self.settle(function)
        self.register.grant(self.health, "dynamodb:GetItem")
        self.bus = events.EventBus(self, "Bus", event_bus_name=f"payment-events-{REGION}-{ENVIRONMENT}")
        self.workflow = self.add_workflow()
        self.add_rules()
        self.api = self.add_api()
        self.add_domain()
        self.add_alarms()

    def add_receipts(self) -> s3.Bucket:
        """Versioned, encrypted, replicated."""
        return s3.Bucket(
            self,
            "Receipts",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.key,
            bucket_key_enabled=True,
            versioned=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            replication_rules=[
                s3.ReplicationRule(
                    destination=s3.Bucket.from_bucket_name(self, f"To{peer}", f"payment-receipts-{peer}-dev-{ACCOUNT}"),
                    kms_key=kms.Key.from_key_arn(self, f"Key{peer}", f"arn:aws:kms:{peer}:{ACCOUNT}:key/{KEY}"),
                    sse_kms_encrypted_objects=True,
                    priority=number,
                )
                for number, peer in enumerate(PEERS)
            ],
        )

    def add_register(self) -> dynamodb.Table:
        """The register table."""
        table = dynamodb.Table(
            self,
            "Register",
            partition_key=dynamodb.Attribute(name="TransactionId", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification={"point_in_time_recovery_enabled": True},
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=self.key,
        )
        table.add_global_secondary_index(
            index_name="due",
            partition_key=dynamodb.Attribute(name="due_shard", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="due_at", type=dynamodb.AttributeType.NUMBER),
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )
        return table

    def log_group(self, name: str) -> logs.LogGroup:
        """Encrypted, a week."""
        return logs.LogGroup(self, f"{name}-logs", encryption_key=self.key, retention=logs.RetentionDays.ONE_WEEK)

    def add_function(self, name: str, memory: int, timeout: int) -> lambda_.Function:
        """A function with its own role and log group."""
        artifacts = s3.Bucket.from_bucket_name(self, f"{name}-code", f"payment-artifacts-{REGION}-{ACCOUNT}")
        return lambda_.Function(
            self,
            name,
            function_name=f"payment-{name}-{REGION}-{ENVIRONMENT}",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            handler=f"payments.{name}.handler",
            code=lambda_.Code.from_bucket(artifacts, f"code/{'0' * 64}.zip"),
            memory_size=memory,
            timeout=cdk.Duration.seconds(timeout),
            tracing=lambda_.Tracing.ACTIVE,
            environment={"ENVIRONMENT": ENVIRONMENT, "BUCKET": self.receipts.bucket_name},
            environment_encryption=self.key,
            dead_letter_queue=self.dead_letters,
            log_group=self.log_group(name),
        )

    def settle(self, function: lambda_.Function) -> None:
        """What taking a payment to its end needs."""
        self.register.grant(function, "dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:Query")
        self.receipts.grant_put(function, "receipts/*")
        for peer in PEERS:
            function.add_to_role_policy(
                iam.PolicyStatement(
                    actions=["dynamodb:GetItem", "dynamodb:UpdateItem"],
                    resources=[f"arn:aws:dynamodb:{peer}:{ACCOUNT}:table/payment-register-{peer}-{ENVIRONMENT}"],
                )
            )
            function.add_to_role_policy(
                iam.PolicyStatement(
                    actions=["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:DescribeKey"],
                    resources=[f"arn:aws:kms:{peer}:{ACCOUNT}:key/*"],
                    conditions={"StringEquals": {"kms:ViaService": f"dynamodb.{peer}.amazonaws.com"}},
                )
            )

    def add_workflow(self) -> sfn.StateMachine:
        """Try here, hand over, or put aside."""
        process = tasks.LambdaInvoke(
            self, "ProcessTransaction", lambda_function=self.processor, retry_on_service_exceptions=False
        )
        process.add_retry(interval=cdk.Duration.seconds(2), max_attempts=3, backoff_rate=2)
        aside = tasks.SqsSendMessage(
            self, "DeadLetter", queue=self.dead_letters, message_body=sfn.TaskInput.from_json_path_at("$")
        ).next(sfn.Fail(self, "Failed"))
        entry = tasks.EventBridgePutEventsEntry(
            detail=sfn.TaskInput.from_json_path_at("$"),
            detail_type="Payment Transaction",
            source="payment.processing",
            event_bus=self.bus,
        )
        hand_over = tasks.EventBridgePutEvents(self, "FailOver", entries=[entry])
        hand_over.add_catch(aside)
        left = sfn.Choice(self, "RegionLeft").when(sfn.Condition.is_present("$.next"), hand_over).otherwise(aside)
        process.add_catch(left)
        outcome = (
            sfn.Choice(self, "Outcome")
            .when(sfn.Condition.string_equals("$.status", "PARKED"), sfn.Succeed(self, "Parked"))
            .otherwise(sfn.Succeed(self, "Settled"))
        )
        return sfn.StateMachine(
            self,
            "Workflow",
            definition_body=sfn.DefinitionBody.from_chainable(process.next(outcome)),
            tracing_enabled=True,
            logs=sfn.LogOptions(destination=self.log_group("workflow"), level=sfn.LogLevel.ALL),
        )

    def add_rules(self) -> None:
        """In, out to two Regions, and the janitor's minute."""
        pattern = events.EventPattern(source=["payment.processing"], detail_type=["Payment Transaction"])
        limits = {
            "retry_attempts": 3,
            "max_event_age": cdk.Duration.hours(1),
            "dead_letter_queue": self.dead_letters,
        }
        workflow = targets.SfnStateMachine(
            self.workflow, input=events.RuleTargetInput.from_event_path("$.detail"), **limits
        )
        events.Rule(self, "In", event_bus=self.bus, event_pattern=pattern, targets=[workflow])
        for peer in PEERS:
            arn = f"arn:aws:events:{peer}:{ACCOUNT}:event-bus/payment-events-{peer}-{ENVIRONMENT}"
            bus = targets.EventBus(
                events.EventBus.from_event_bus_arn(self, f"Bus{peer}", arn), dead_letter_queue=self.dead_letters
            )
            events.Rule(self, f"Out{peer}", event_bus=self.bus, event_pattern=pattern, targets=[bus])
        every_minute = events.Schedule.rate(cdk.Duration.minutes(1))
        events.Rule(self, "Minute", schedule=every_minute, targets=[targets.LambdaFunction(self.janitor, **limits)])

    def add_api(self) -> apigateway.RestApi:
        """Three methods, a model, a validator, twelve answers."""
        api = apigateway.RestApi(
            self,
            "Api",
            cloud_watch_role=False,
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            deploy_options=apigateway.StageOptions(
                stage_name="prod",
                tracing_enabled=True,
                logging_level=apigateway.MethodLoggingLevel.ERROR,
                access_log_destination=apigateway.LogGroupLogDestination(self.log_group("access")),
                throttling_rate_limit=200,
                throttling_burst_limit=400,
            ),
        )
        self.log_group("execution")
        schema = apigateway.JsonSchema(type=apigateway.JsonSchemaType.OBJECT, required=["transaction"])
        payments = api.root.add_resource("payments")
        payments.add_method(
            "POST",
            apigateway.LambdaIntegration(self.processor),
            authorization_type=apigateway.AuthorizationType.IAM,
            request_models={"application/json": api.add_model("Payment", schema=schema)},
            request_validator=api.add_request_validator("Validator", validate_request_body=True),
        )
        payments.add_resource("{id}").add_method(
            "GET",
            apigateway.LambdaIntegration(self.processor),
            authorization_type=apigateway.AuthorizationType.IAM,
        )
        api.root.add_resource("health").add_method("GET", apigateway.LambdaIntegration(self.health))
        for name, kind in ANSWERS:
            api.add_gateway_response(
                name,
                type=getattr(apigateway.ResponseType, kind),
                templates={"application/json": '{"title": "Refused"}'},
                response_headers={"Content-Type": "'application/problem+json'"},
            )
        return api

    def add_domain(self) -> None:
        """Certificate, name, mapping, record, health check."""
        zone = route53.HostedZone.from_hosted_zone_attributes(
            self, "Zone", hosted_zone_id="Z00000000000000000000", zone_name="example.com"
        )
        certificate = acm.Certificate(
            self,
            "Certificate",
            domain_name="pay.example.com",
            validation=acm.CertificateValidation.from_dns(zone),
        )
        name = self.api.add_domain_name("Domain", domain_name="pay.example.com", certificate=certificate)
        check = route53.CfnHealthCheck(
            self,
            "Check",
            health_check_config={"type": "HTTPS", "fullyQualifiedDomainName": "pay.example.com", "port": 443},
        )
        route53.CfnRecordSet(
            self,
            "Record",
            name="pay.example.com",
            type="A",
            hosted_zone_id=zone.hosted_zone_id,
            region=REGION,
            set_identifier=REGION,
            health_check_id=check.ref,
            alias_target={
                "dnsName": name.domain_name_alias_domain_name,
                "hostedZoneId": name.domain_name_alias_hosted_zone_id,
            },
        )

    def add_alarms(self) -> None:
        """Seventeen, all to the topic."""
        rate = cloudwatch.MathExpression(
            expression="100 * errors / invocations",
            using_metrics={
                "errors": self.processor.metric_errors(),
                "invocations": self.processor.metric_invocations(),
            },
        )
        metrics: list[cloudwatch.IMetric] = [
            rate,
            self.processor.metric_throttles(),
            self.workflow.metric_failed(),
            self.workflow.metric_timed_out(),
            self.workflow.metric_throttled(),
            self.dead_letters.metric_approximate_number_of_messages_visible(),
            self.api.metric_server_error(),
        ]
        others = (
            *(("AWS/Events", "FailedInvocations"), ("AWS/DynamoDB", "ReplicationLatency")),
            *(("AWS/S3", name) for name in ("ReplicationLatency", "OperationsPendingReplication", "OperationsFailed")),
            *(("Payments", name) for name in ("Heartbeat", "PeerUnanswered", "Overdue", "Parked", "ResultConflict")),
        )
        metrics += [
            cloudwatch.Metric(namespace=space, metric_name=name, dimensions_map={"Region": REGION})
            for space, name in others
        ]
        for number, metric in enumerate(metrics):
            alarm = cloudwatch.Alarm(
                self, f"Alarm{number}", metric=metric, threshold=0, evaluation_periods=2, actions_enabled=True
            )
            alarm.add_alarm_action(actions.SnsAction(self.topic))
            alarm.add_ok_action(actions.SnsAction(self.topic))


class Global(cdk.Stack):
    """What spans the Regions."""

    def __init__(self, app: cdk.App) -> None:
        super().__init__(app, "global", env=cdk.Environment(account=ACCOUNT, region=REGION))
        key = kms.Key.from_key_arn(self, "Key", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY}")
        arns = {peer: f"arn:aws:kms:{peer}:{ACCOUNT}:key/{KEY}" for peer in PEERS}
        dynamodb.TableV2(
            self,
            "Payments",
            table_name=f"payments-{ENVIRONMENT}",
            partition_key=dynamodb.Attribute(name="TransactionId", type=dynamodb.AttributeType.STRING),
            billing=dynamodb.Billing.on_demand(),
            point_in_time_recovery_specification={"point_in_time_recovery_enabled": True},
            encryption=dynamodb.TableEncryptionV2.customer_managed_key(key, arns),
            global_secondary_indexes=[
                dynamodb.GlobalSecondaryIndexPropsV2(
                    index_name="TimestampIndex",
                    partition_key=dynamodb.Attribute(name="Timestamp", type=dynamodb.AttributeType.NUMBER),
                )
            ],
            replicas=[dynamodb.ReplicaTableProps(region=peer) for peer in PEERS],
        )
        sqs.Queue(self, "Inbox", encryption=sqs.QueueEncryption.KMS, encryption_master_key=key, enforce_ssl=True)
        charts = [
            cloudwatch.GraphWidget(
                title=f"Chart {number}",
                left=[
                    cloudwatch.Metric(
                        namespace="Payments", metric_name="Payments", region=region, dimensions_map={"Region": region}
                    )
                    for region in (REGION, *PEERS)
                ],
            )
            for number in range(19)
        ]
        cloudwatch.Dashboard(self, "Dashboard", dashboard_name=f"payment-processing-{ENVIRONMENT}", widgets=[charts])


def main() -> None:
    """Synthesize to a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        app = cdk.App(outdir=folder, analytics_reporting=False)
        Regional(app)
        Global(app)
        app.synth()


if __name__ == "__main__":
    main()
