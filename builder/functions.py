"""The four functions of a Region that run the code: processor, health, janitor and outcomes, each with its own role and
log group (docs/design.md, "Functions")."""

from typing import Any, ClassVar

from awacs.aws import Statement
from troposphere import FindInMap, GetAtt, If, NoValue, PropsDictType, Ref, Select, Split, Sub, Template
from troposphere.awslambda import (
    Code,
    DestinationConfig,
    Environment,
    EventInvokeConfig,
    EventSourceMapping,
    Function,
    LoggingConfig,
    OnFailure,
    TracingConfig,
)
from troposphere.iam import PolicyType
from troposphere.kms import Key
from troposphere.logs import LogGroup
from troposphere.sqs import Queue

from builder import waivers
from builder.intrinsics import arn, tags
from builder.merchants import variable
from builder.names import ARTIFACTS, BUCKET, BUS, HEALTH, JANITOR, OUTCOMES, PROCESSOR, TABLE, WORKFLOW
from builder.parameters import of_rank
from builder.policies import (
    WRITE_WITH_KEY,
    act_on_registers,
    call,
    document,
    find_due,
    find_receipt,
    identify,
    look_up_records,
    publish_record,
    put_events,
    read_register,
    read_secret,
    read_stream,
    role,
    send_to,
    start_workflow,
    store_receipt,
    trace,
    trust,
    use_key,
    use_peer_keys,
    write_logs,
)
from builder.settings import Janitor, Settings

RUNTIME = "python3.13"


class FunctionLogging(LoggingConfig):
    """With the property of functions that troposphere lost to a namesake of another resource."""

    props: ClassVar[PropsDictType] = {**LoggingConfig.props, "LogFormat": (str, False)}


def add_log_group(template: Template, title: str, name: str, key: Key) -> LogGroup:
    """The log group of a function."""
    return template.add_resource(
        LogGroup(
            f"{title}Logs",
            LogGroupName=Sub(f"/aws/lambda/{name}"),
            KmsKeyId=GetAtt(key, "Arn"),
            RetentionInDays=Ref("LogRetentionDays"),
            Tags=tags(f"/aws/lambda/{name}"),
        )
    )


class Functions:
    """Adds the functions of one template; they share code, settings and key.

    None has a dead-letter queue: that would keep whole events, which nothing has judged. Only the janitor is called
    asynchronously, by its schedule and by itself, and the next minute is its retry.
    """

    def __init__(self, template: Template, settings: Settings, *, key: Key, register: Any, dead_letters: Queue) -> None:
        self.template = template
        self.settings = settings
        self.key = key
        self.register = register
        self.dead_letters = dead_letters

    def add_processor(self) -> Function:
        """Answers the API and the workflow; the only one with a cap on concurrency."""
        processor = self._add(
            "Processor",
            PROCESSOR,
            "payments.function.handler",
            *self._settle(),
            put_events(arn("events", f"event-bus/{BUS}")),
            start_workflow(arn("states", f"stateMachine:{WORKFLOW}")),
            memory=self.settings.functions.processor_memory,
            timeout=self.settings.functions.processor_timeout,
            ReservedConcurrentExecutions=If("Reserved", Ref("ReservedConcurrency"), NoValue),
        )
        self._add_secret_policy("Processor")
        return processor

    def add_health(self) -> Function:
        """Answers `GET /health`; no cap, so that a burst of payments cannot make a Region look unhealthy."""
        return self._add(
            "Health",
            HEALTH,
            "payments.health.handler",
            read_register(self.register),
            use_key(self.key, "dynamodb", "lambda"),
            memory=self.settings.functions.health_memory,
            timeout=self.settings.functions.health_timeout,
            traced=False,
            Metadata=waivers.skip(waivers.NO_VPC, waivers.NO_LETTERS, waivers.HEALTH_UNCAPPED),
        )

    def add_janitor(self) -> Function:
        """Takes overdue payments one step further: a run a minute, which ends before the next begins, and the helpers
        that it calls. 1769 MB are the least with a whole processor (Lambda guide, "Configure memory")."""
        janitor = self._add(
            "Janitor",
            JANITOR,
            "payments.janitor.handler",
            *self._settle(),
            find_due(self.register),
            identify(self.register),
            look_up_records(),
            find_receipt(BUCKET),
            call(arn("lambda", f"function:{JANITOR}")),
            put_events(arn("events", f"event-bus/{BUS}")),
            memory=self.settings.functions.janitor_memory,
            timeout=55,
            ReservedConcurrentExecutions=If("Reserved", Ref("JanitorConcurrency"), NoValue),
        )
        self._add_secret_policy("Janitor")
        self.call_once("JanitorInvocation", janitor)
        return janitor

    def add_outcomes(self) -> Function:
        """Tells how payments ended, once it is linked to the stream of the Region's replica (`add_stream`)."""
        return self._add(
            "Outcomes",
            OUTCOMES,
            "payments.outcomes.handler",
            *read_stream(),
            put_events(arn("events", f"event-bus/{BUS}")),
            send_to(self.dead_letters),
            use_key(self.key, "dynamodb", "lambda"),
            use_key(self.key, "sqs", actions=WRITE_WITH_KEY),
            memory=256,
            timeout=60,
            traced=False,
            Metadata=waivers.skip(waivers.NO_VPC, waivers.NO_LETTERS, waivers.OUTCOMES_UNCAPPED),
        )

    def add_stream(self, outcomes: Function) -> EventSourceMapping:
        """The stream that a replica has: nobody knows its ARN before the global table is made, and a replica that is
        made anew has another. What is given up after six hours can be read from the stream for 18 more."""
        return self.template.add_resource(
            EventSourceMapping(
                "OutcomesStream",
                Condition="HasStream",
                DependsOn="Release",  # a function that works, and rights that count by now
                BatchSize=100,
                BisectBatchOnFunctionError=True,
                DestinationConfig=DestinationConfig(OnFailure=OnFailure(Destination=GetAtt(self.dead_letters, "Arn"))),
                EventSourceArn=Select(
                    FindInMap("Peers", Ref("AWS::Region"), "Rank"),
                    Split(",", Sub(",".join(f"${{StreamArn{rank}}}" for rank in range(len(self.settings.regions))))),
                ),
                FunctionName=outcomes.ref(),
                FunctionResponseTypes=["ReportBatchItemFailures"],
                MaximumRecordAgeInSeconds=6 * 3600,
                MaximumRetryAttempts=10_000,  # the most: it is the time that ends it
                StartingPosition="TRIM_HORIZON",
                Tags=tags(OUTCOMES),
            )
        )

    def call_once(self, title: str, function: Function) -> EventInvokeConfig:
        """What is not called within a minute is not called any more, and what fails is not called again."""
        return self.template.add_resource(
            EventInvokeConfig(
                title,
                FunctionName=function.ref(),
                Qualifier="$LATEST",
                MaximumEventAgeInSeconds=60,
                MaximumRetryAttempts=0,
            )
        )

    def _settle(self) -> list[Statement]:
        """Rights to settle a payment, for the processor and the janitor."""
        return [
            act_on_registers(self.register),
            publish_record(),
            store_receipt(BUCKET),
            use_key(self.key, "dynamodb", "lambda", "s3"),
            *use_peer_keys("dynamodb"),
        ]

    def _add(
        self,
        title: str,
        name: str,
        handler: str,
        *statements: Statement,
        memory: int,
        timeout: int,
        traced: bool = True,
        **options: Any,
    ) -> Function:
        group = add_log_group(self.template, title, name, self.key)
        execution_role = self.template.add_resource(
            role(
                f"{title}Role",
                name,
                trust("lambda"),
                write_logs(f"/aws/lambda/{name}"),
                *([trace()] if traced else []),
                *statements,
            )
        )
        options.setdefault("Metadata", waivers.skip(waivers.NO_VPC, waivers.NO_LETTERS))
        return self.template.add_resource(
            Function(
                title,
                FunctionName=Sub(name),
                Architectures=["arm64"],
                Code=Code(
                    S3Bucket=Sub(ARTIFACTS),
                    S3Key=Sub("code/${CodeHash}.zip"),
                    S3ObjectVersion=of_rank("CodeVersions", "Rank"),
                ),
                Environment=Environment(Variables=self.variables()),
                Handler=handler,
                KmsKeyArn=GetAtt(self.key, "Arn"),
                # Only what fails is told by Lambda itself: its three lines of each call would be most of the log.
                LoggingConfig=FunctionLogging(LogFormat="JSON", LogGroup=group.ref(), SystemLogLevel="WARN"),
                MemorySize=memory,
                Role=GetAtt(execution_role, "Arn"),
                Runtime=RUNTIME,
                Timeout=timeout,
                # A health check every second or so is worth no trace of its own, nor is a batch that only tells.
                TracingConfig=TracingConfig(Mode="Active" if traced else "PassThrough"),
                Tags=tags(name),
                **options,
            )
        )

    def variables(self) -> dict[str, Any]:
        """AWS_REGION is not among them: Lambda sets it and refuses another value."""
        merchants = {"MERCHANTS": variable(self.settings)} if self.settings.merchants else {}
        at_once = self.settings.janitor.at_once
        return {
            **merchants,
            **({"JANITOR_AT_ONCE": str(at_once)} if at_once != Janitor().at_once else {}),
            "ACCOUNT": Ref("AWS::AccountId"),
            "BUCKET": Sub(BUCKET),
            "BUS": Sub(BUS),
            "DEAD_LETTERS": self.dead_letters.ref(),
            "ENVIRONMENT": Ref("EnvironmentSuffix"),
            "INDEX_SHARDS": Ref("IndexShards"),
            "JANITORS": Ref("JanitorConcurrency"),
            "PROCESSOR_DEDUPLICATES": Ref("ProcessorDeduplicates"),
            "PROCESSOR_KEY_HOURS": Ref("ProcessorKeyLifetimeHours"),
            "PROCESSOR_KIND": Ref("ProcessorKind"),
            "PROCESSOR_SECRET": Ref("ProcessorCredentialName"),
            "RAIL": If("HasProcessor", Ref("ProcessorUrl"), "ledger"),
            "REGIONS": ",".join(self.settings.regions),
            "STATE_MACHINE": arn("states", f"stateMachine:{WORKFLOW}"),
            "TABLE": Sub(TABLE),
            "TEST_FAULTS": Ref("TestFaults"),
        }

    def _add_secret_policy(self, title: str) -> None:
        self.template.add_resource(
            PolicyType(
                f"{title}SecretPolicy",
                Condition="HasSecret",
                PolicyName="secret",
                PolicyDocument=document(*read_secret()),
                Roles=[Ref(f"{title}Role")],
            )
        )
