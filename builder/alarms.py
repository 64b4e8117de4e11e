"""The alarms of a Region; all publish to its alert topic (docs/design.md, "Alarms")."""

from typing import Any

from troposphere import GetAtt, If, Ref, Sub, Template
from troposphere.apigateway import Stage
from troposphere.awslambda import Function
from troposphere.cloudwatch import Alarm, Metric, MetricDataQuery, MetricDimension, MetricStat
from troposphere.events import EventBus, Rule
from troposphere.sns import Topic
from troposphere.sqs import Queue
from troposphere.stepfunctions import StateMachine

from builder.alerts import TOPIC_POLICY
from builder.intrinsics import PEERS, named_in, peer, tags
from builder.names import ALARM_SUFFIX, API, BUCKET, FAILOVER_IN, REGISTER, TABLE
from builder.settings import Settings

FIVE_MINUTES = 300
ABOVE = "GreaterThanThreshold"

# Minutes. The janitor looks at a waiting payment at least every five minutes, and counts only those it looked at: one
# minute with the payment in it keeps the alarm on until the payment has not been seen for twice that long.
SEEN_WITHIN = 10


class Alarms:
    """Adds alarms that publish to one topic, when they fire and when they are over."""

    def __init__(self, template: Template, topic: Topic, settings: Settings) -> None:
        self.template = template
        self.topic = topic
        self.limits = settings.alarms
        self.every_minutes = settings.janitor.every_minutes

    def add_function_alarms(self, processor: Function) -> None:
        """The rate of errors: one among many payments counts, and no payments are no division by zero."""
        function, percent = {"FunctionName": processor.ref()}, self.limits.lambda_error_percent
        self._add(
            "LambdaErrors",
            f"More than {percent:g} % of the processor's invocations fail",
            ComparisonOperator=ABOVE,
            EvaluationPeriods=2,
            Threshold=percent,
            Metrics=[
                _math("rate", "IF(invocations > 0, 100 * errors / invocations, 0)", "Errors in %"),
                _query("errors", "AWS/Lambda", "Errors", function),
                _query("invocations", "AWS/Lambda", "Invocations", function),
            ],
        )
        self._add_sum("LambdaThrottles", "AWS/Lambda", "Throttles", function, "The processor is throttled", periods=2)

    def add_workflow_alarms(self, workflow: StateMachine) -> None:
        """Errors that the workflow catches never count as errors of the function."""
        machine = {"StateMachineArn": workflow.ref()}
        for what in ("Failed", "TimedOut", "Throttled"):
            metric = "ExecutionThrottled" if what == "Throttled" else f"Executions{what}"
            self._add_sum(f"Workflow{what}", "AWS/States", metric, machine, f"Workflow executions: {metric}")

    def add_queue_alarm(self, dead_letters: Queue) -> None:
        """Any message in the dead-letter queue waits for a person."""
        self._add(
            "DeadLetters",
            "Messages wait in the dead-letter queue: payctl redrive",
            **_metric(
                "AWS/SQS",
                "ApproximateNumberOfMessagesVisible",
                {"QueueName": GetAtt(dead_letters, "QueueName")},
                "Maximum",
            ),
            ComparisonOperator=ABOVE,
            EvaluationPeriods=1,
            Threshold=self.limits.dead_letters,
        )

    def add_api_alarm(self, stage: Stage) -> None:
        """Answers of the API with 5xx."""
        dimensions = {"ApiName": Sub(API), "Stage": stage.ref()}
        self._add_sum("ApiErrors", "AWS/ApiGateway", "5XXError", dimensions, "The API answers 5xx", periods=2)

    def add_event_alarm(self, bus: EventBus, rules: list[Rule], janitor_rule: Rule) -> None:
        """Events that a rule could not deliver, or not even to the dead-letter queue. Rule names by pattern: the
        outgoing rules exist once linked."""
        on_bus = [Sub(FAILOVER_IN), *(rule.Name for rule in rules)]
        watched = {f"rule{number}": {"EventBusName": bus.ref(), "RuleName": name} for number, name in enumerate(on_bus)}
        watched["schedule"] = {"RuleName": janitor_rule.ref()}
        queries = [
            _query(f"{rule}{suffix}", "AWS/Events", metric, dimensions)
            for suffix, metric in (("", "FailedInvocations"), ("lost", "InvocationsFailedToBeSentToDlq"))
            for rule, dimensions in watched.items()
        ]
        self._add_filled("FailedEvents", "SUM", "Failed invocations", queries, "A rule could not deliver events")

    def add_replication_alarms(self) -> None:
        """The delay of records to the other Regions, and of receipts to this one (S3 measures where they arrive)."""
        to = {which: {"ReceivingRegion": peer(which), "TableName": Sub(TABLE)} for which in PEERS}
        self._add_filled(
            "TableReplication",
            "MAX",
            "Milliseconds",
            [_query(f"to{w}", "AWS/DynamoDB", "ReplicationLatency", to[w], "Average") for w in PEERS],
            f"Records reach another Region more than {self.limits.table_replication_seconds} s late",
            above=self.limits.table_replication_seconds * 1000,
        )
        late, pending = self.limits.receipt_replication_seconds, self.limits.receipts_pending
        for title, metric, threshold, words in (
            ("ReceiptReplication", "ReplicationLatency", late, f"Receipts arrive more than {_time(late)} late"),
            (
                "ReceiptsPending",
                "OperationsPendingReplication",
                pending,
                f"More than {pending} receipts wait to arrive",
            ),
        ):
            self._add(
                title,
                words,
                Condition="Linked",
                ComparisonOperator=ABOVE,
                EvaluationPeriods=3,
                Threshold=threshold,
                Metrics=[
                    _math("worst", "MAX(METRICS())", metric),
                    *(_query(f"from{w}", "AWS/S3", metric, _replication(w), "Maximum") for w in PEERS),
                ],
            )
        failed = "OperationsFailedReplication"
        self._add_filled(
            "ReceiptsFailed",
            "SUM",
            failed,
            [_query(f"to{w}", "AWS/S3", failed, _replication(w, out=True)) for w in PEERS],
            "Receipts of this Region failed to replicate",
            Condition="Linked",
        )

    def add_throttling_alarms(self) -> None:
        """What a hot key of an index holds up, or a table's units; nothing is lost: docs/decisions/janitor.md."""
        writes, reads = "WriteThrottleEvents", "ReadThrottleEvents"
        for title, table, index, metrics, words in (
            (
                "RecordsThrottled",
                TABLE,
                "TimestampIndex",
                (writes,),
                "More payments with equal timestamps than an index key takes",
            ),
            (
                "RegisterThrottled",
                REGISTER,
                "due",
                (writes, reads),
                "More payments than the shards of an index take, or than limits.register_writes",
            ),
        ):
            on = {"TableName": Sub(table)}
            queries = [
                _query(f"{name}{rank}", "AWS/DynamoDB", metric, dimensions)
                for name, dimensions in (("table", on), ("index", {**on, "GlobalSecondaryIndexName": index}))
                for rank, metric in enumerate(metrics)
            ]
            self._add_filled(title, "SUM", "Throttled requests", queries, words)

    def add_janitor_alarms(self) -> None:
        """What the janitor reports at each run, and its silence."""
        own = {"Environment": Ref("EnvironmentSuffix"), "Region": Ref("AWS::Region")}
        period, overdue = 60 * self.every_minutes, self.limits.overdue_seconds
        silent, parked = self.limits.janitor_silent_minutes, self.limits.parked_payments
        for title, metric, threshold, words in (
            (
                "PaymentsOverdue",
                "OldestOverdueSeconds",
                overdue,
                f"A payment is overdue for more than {_time(overdue)}",
            ),
            ("PaymentsParked", "Parked", parked, "Payments are parked: payctl parked"),
            ("ResultConflict", "ResultConflict", 0, "Two Regions hold different results of one payment"),
            ("ClockAhead", "ClockAheadSeconds", 30, "Clocks of two Regions differ by more than 30 s"),
            ("BacklogAge", "BacklogAgeSeconds", 600, "Cells wait for the janitor for more than 10 minutes"),
        ):
            self._add(
                title,
                words,
                **_metric("Payments", metric, own, "Maximum", period=period),
                ComparisonOperator=ABOVE,
                DatapointsToAlarm=1,
                EvaluationPeriods=max(2, SEEN_WITHIN // self.every_minutes),
                Threshold=threshold,
            )
        for title, metric, words in (
            ("PeerUnanswered", "PeerUnanswered", "Another Region's register does not answer"),
            ("RegisterUnchecked", "Unchecked", "A register restored from a backup would go unnoticed"),
        ):
            self._add(
                title,
                words,
                **_metric("Payments", metric, own, "Maximum", period=period),
                ComparisonOperator=ABOVE,
                EvaluationPeriods=3,
                Threshold=0,
            )
        self._add(
            "Backlog",
            "For 5 minutes the janitor has left over 10,000 cells undone: limits.janitor_concurrency",
            **_metric("Payments", "Backlog", own, "Sum", period=period),  # each run tells of its share
            ComparisonOperator=ABOVE,
            EvaluationPeriods=-(-5 // self.every_minutes),
            Threshold=10_000,
        )
        self._add(
            "JanitorSilent",
            f"The janitor has not run for {_time(60 * silent)}",
            **_metric("Payments", "Heartbeat", own, "Sum", period=period),
            ActionsEnabled=If("IntakeOn", True, False),  # its schedule is off with the intake
            ComparisonOperator="LessThanThreshold",
            EvaluationPeriods=-(-silent // self.every_minutes),
            Threshold=1,
            TreatMissingData="breaching",
        )

    def add_outcome_alarms(self, outcomes: Function) -> None:
        """Events that wait, or that calls fail on; what is given up is a dead letter."""
        function = {"FunctionName": outcomes.ref()}
        self._add(
            "OutcomesLate",
            "Outcome events are told more than 5 minutes late",
            **_metric("AWS/Lambda", "IteratorAge", function, "Maximum"),
            ComparisonOperator=ABOVE,
            EvaluationPeriods=1,
            Threshold=FIVE_MINUTES * 1000,
        )
        self._add_sum("OutcomeErrors", "AWS/Lambda", "Errors", function, "The outcome function fails", periods=2)

    def _add_sum(
        self, title: str, namespace: str, metric: str, dimensions: dict[str, Any], words: str, *, periods: int = 1
    ) -> None:
        self._add(
            title,
            words,
            **_metric(namespace, metric, dimensions, "Sum"),
            ComparisonOperator=ABOVE,
            EvaluationPeriods=periods,
            Threshold=0,
        )

    def _add_filled(
        self,
        title: str,
        reduce: str,
        label: str,
        queries: list[MetricDataQuery],
        words: str,
        *,
        above: int = 0,
        **options: Any,
    ) -> None:
        """Of several metrics, with 0 for missing data, so that the alarm goes off again. The latest data point is 0
        until its metric is published: one in three periods is enough (docs/aws.md, "Filled data points")."""
        self._add(
            title,
            words,
            ComparisonOperator=ABOVE,
            DatapointsToAlarm=1,
            EvaluationPeriods=3,
            Threshold=above,
            Metrics=[_math("filled", f"{reduce}(FILL(METRICS(), 0))", label), *queries],
            **options,
        )

    def _add(self, title: str, words: str, **options: Any) -> None:
        options.setdefault("TreatMissingData", "notBreaching")
        full = f"payment-{_dashed(title)}{ALARM_SUFFIX}"
        self.template.add_resource(
            Alarm(
                f"{title}Alarm",
                AlarmName=Sub(full),
                AlarmDescription=words,
                AlarmActions=[self.topic.ref()],
                OKActions=[self.topic.ref()],
                DependsOn=TOPIC_POLICY,
                Tags=tags(full),
                **options,
            )
        )


def _dashed(title: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in title).lstrip("-")


def _time(seconds: int) -> str:
    """The time as people say it: whole minutes where it is some."""
    return f"{seconds} s" if seconds % 60 else f"{seconds // 60} minutes"


def _dimensions(values: dict[str, Any]) -> list[MetricDimension]:
    return [MetricDimension(Name=name, Value=value) for name, value in sorted(values.items())]


def _metric(
    namespace: str, metric: str, dimensions: dict[str, Any], statistic: str, period: int = FIVE_MINUTES
) -> dict[str, Any]:
    return {
        "Namespace": namespace,
        "MetricName": metric,
        "Dimensions": _dimensions(dimensions),
        "Statistic": statistic,
        "Period": period,
    }


def _query(
    name: str,
    namespace: str,
    metric: str,
    dimensions: dict[str, Any],
    statistic: str = "Sum",
) -> MetricDataQuery:
    return MetricDataQuery(
        Id=name,
        MetricStat=MetricStat(
            Metric=Metric(Namespace=namespace, MetricName=metric, Dimensions=_dimensions(dimensions)),
            Period=FIVE_MINUTES,
            Stat=statistic,
        ),
        ReturnData=False,
    )


def _math(name: str, expression: str, label: str) -> MetricDataQuery:
    return MetricDataQuery(Id=name, Expression=expression, Label=label, ReturnData=True)


def _replication(which: str, *, out: bool = False) -> dict[str, Any]:
    """S3 publishes latency and pending operations in the destination's Region, failures in the source's (S3 guide)."""
    here, there = Sub(BUCKET), named_in(BUCKET, which)
    if out:
        return {"SourceBucket": here, "DestinationBucket": there, "RuleId": Sub("to-${Peer}", Peer=peer(which))}
    return {"SourceBucket": there, "DestinationBucket": here, "RuleId": Sub("to-${AWS::Region}")}
