"""The payment workflow of a Region: settle here, else in the next Region, else a dead letter (docs/design.md, "The
workflow resource")."""

from typing import Any

from awacs.aws import StringEquals
from troposphere import GetAtt, If, Ref, Sub, Template
from troposphere.awslambda import Function
from troposphere.events import EventBus
from troposphere.kms import Key
from troposphere.logs import LogGroup
from troposphere.sqs import Queue
from troposphere.stepfunctions import (
    CloudWatchLogsLogGroup,
    EncryptionConfiguration,
    LogDestination,
    LoggingConfiguration,
    StateMachine,
    TracingConfiguration,
)

from builder.intrinsics import arn, peer, tags
from builder.names import WORKFLOW, WORKFLOW_LOGS
from builder.policies import (
    WRITE_WITH_KEY,
    allow,
    deliver_logs,
    from_account,
    from_source,
    put_events,
    role,
    send_to,
    trace,
    trust,
    use_key,
)

# The input of an execution may be anything that a caller sends. Of who has tried, only names of Regions are believed.
TRIED = """$input := $states.context.Execution.Input;
  $others := ['${First}', '${Second}'];
  $before := $others[$ in $input.tried];
  $tried := [$before, '${Region}'];"""

# What the workflow itself can tell of an input that no function has judged: every member has the form that it has in a
# payment, and no thirteen digits are close enough together for a card number. The function knows better, and lets more
# through; this is for handing on what no function here could look at. Without `and` before what may raise an error.
HARMLESS = r"""$payment := $type($input) = 'object' ? $input : {};
  $paid := $payment.transaction;
  $close := /[0-9](?:[^0-9A-Za-z]*(?:[A-Za-z][^0-9A-Za-z]*)?[0-9]){12}/;
  $is := function($value, $form) { $type($value) = 'string' ? $contains($value, $form) : false };
  $number := function($value, $form) { $type($value) = 'number' ? $contains($string($value), $form) : false };
  $safe := function($value, $form) { $is($value, $form) ? $not($contains($value, $close)) : false };
  $id := /^([a-z][a-z0-9-]{0,31}:)?[A-Za-z0-9_-]{1,64}$/;
  $hash := function($value) { $is($value, /^[0-9a-f]{64}$/) ? $not($contains($value, /[0-9]{13}/)) : false };
  $text := /^[A-Za-z0-9 _.,:#\/+-]{1,128}$/;
  $amount := /^[0-9]{1,9}([.][0-9]{1,3})?$/;
  $date := /^20[0-3][0-9](-[0-9]{2}){2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})$/;
  $only := function($object, $names) { $count($keys($object)[$not($ in $names)]) = 0 };
  $harmless := $only($payment, ['transaction', 'transactionId', 'account', 'hash', 'region', 'failover', 'next',
      'tried', 'reason', 'error'])
    and ($exists($paid) or $exists($payment.transactionId))
    and ($exists($payment.transactionId) ? $safe($payment.transactionId, $id) : true)
    and ($exists($payment.account) ? $is($payment.account, /^[0-9]{12}$/) : true)
    and ($exists($payment.hash) ? $hash($payment.hash) : true)
    and ($exists($paid) ? $type($paid) = 'object' and $only($paid, ['id', 'amount', 'currency', 'timestamp', 'source',
      'reference']) and $safe($paid.id, $id)
      and ($exists($paid.source) ? $safe($paid.source, $text) : true)
      and ($exists($paid.reference) ? $safe($paid.reference, $text) : true) and $is($paid.currency, /^[A-Z]{3}$/)
      and ($is($paid.amount, $amount) or $number($paid.amount, $amount))
      and ($is($paid.timestamp, $date) or $number($paid.timestamp, /^1[0-9]{9}([.][0-9]{1,2})?$/)) : true);"""

# The next Region in rank order that has not tried yet; "" when all have, or when the input must stay where it is.
HAND_OVER = (
    "{% (\n  "
    + TRIED
    + "\n  "
    + HARMLESS
    + """
  $left := $others[$not($ in $tried)];
  $goes := $exists($left) ? $states.input.reason = 'NotSettled' or $harmless : false;
  $merge($goes ? [
    $sift($payment, function($value, $name) { $name in ['transaction', 'transactionId', 'account', 'hash'] }),
    {'region': '${Region}', 'failover': 'true', 'tried': $tried, 'next': $left[0], 'reason': $states.input.reason}
  ] : [
    {'next': '', 'reason': $exists($left) ? 'NotJudged' : 'NoRegionLeft',
     'error': $states.input.reason & ': ' & $states.input.error}
  ])
) %}"""
)

# Nothing of the input: whoever may, finds that in the history of the execution.
DEAD_LETTER = (
    "{% (\n  "
    + TRIED
    + """
  $string({
    'reason': $states.input.reason, 'error': $states.input.error,
    'tried': $tried, 'execution': $states.context.Execution.Id
  })
) %}"""
)

# An expression without a value would end the execution while it handles a failure: a missing cause is "".
FAULT = {"reason": "{% $states.errorOutput.Error %}", "error": "{% $states.errorOutput.Cause & '' %}"}


def definition() -> dict[str, Any]:
    """The state machine in Amazon States Language with JSONata; ${Name} are substitutions of the template."""
    return {
        "Comment": "Settle one payment here, else in the next Region, else put it aside",
        "QueryLanguage": "JSONata",
        "TimeoutSeconds": 7200,
        "StartAt": "ProcessTransaction",
        "States": {
            "ProcessTransaction": process_transaction(),
            "Outcome": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $states.input.status = 'PARKED' %}", "Next": "Parked"}],
                "Default": "Settled",
            },
            "Settled": {"Type": "Succeed"},
            # Only its own Region may continue, by its janitor: no failover.
            "Parked": {"Type": "Succeed"},
            "ChooseRegion": {"Type": "Pass", "Output": HAND_OVER, "Next": "RegionLeft"},
            "RegionLeft": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $states.input.next != '' %}", "Next": "FailOver"}],
                "Default": "DeadLetter",
            },
            "FailOver": fail_over(),
            "HandedOver": {"Type": "Succeed"},
            "DeadLetter": dead_letter(),
            "Failed": {
                "Type": "Fail",
                "Error": "{% $states.input.reason %}",
                "Cause": "A dead letter names this execution",
            },
        },
    }


def process_transaction() -> dict[str, Any]:
    """Call the processor. Retries: permanent errors never; throttling in place; all else three times."""
    for_good = ["InvalidTransaction", "IdTaken"]
    throttled = ["Lambda.TooManyRequestsException"]
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {
            "FunctionName": "${Processor}",
            "Payload": {
                "workflow": {"input": "{% $states.input %}", "execution": "{% $states.context.Execution.Id %}"}
            },
        },
        "Output": "{% $states.result.Payload %}",
        "TimeoutSeconds": 910,
        "Retry": [
            {"ErrorEquals": for_good, "MaxAttempts": 0},
            {
                "ErrorEquals": throttled,
                "IntervalSeconds": 1,
                "BackoffRate": 2.0,
                "MaxAttempts": 30,
                "MaxDelaySeconds": 60,
                "JitterStrategy": "FULL",
            },
            {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "MaxAttempts": 3, "BackoffRate": 2.0},
        ],
        "Catch": [
            # A busy function is no reason to go elsewhere: the janitor settles what the API accepted.
            {"ErrorEquals": for_good + throttled, "Output": FAULT, "Next": "DeadLetter"},
            {"ErrorEquals": ["States.ALL"], "Output": FAULT, "Next": "ChooseRegion"},
        ],
        "Next": "Outcome",
    }


def fail_over() -> dict[str, Any]:
    """Put the payment on the Region's own bus for the next Region; a rule takes it there."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::events:putEvents",
        "Arguments": {
            "Entries": [
                {
                    "Detail": "{% $states.input %}",
                    "DetailType": "Payment Transaction",
                    "EventBusName": "${Bus}",
                    "Source": "payment.processing",
                }
            ]
        },
        "Output": {"status": "HANDED_OVER", "next": "{% $states.input.next %}"},
        "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "MaxAttempts": 3, "BackoffRate": 2.0}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "Output": FAULT, "Next": "DeadLetter"}],
        "Next": "HandedOver",
    }


def dead_letter() -> dict[str, Any]:
    """Send the reason and the execution to the dead-letter queue; the execution ends FAILED."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Arguments": {"QueueUrl": "${DeadLetters}", "MessageBody": DEAD_LETTER},
        "Output": {"reason": "{% $states.input.reason %}"},
        "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "MaxAttempts": 5, "BackoffRate": 2.0}],
        "Next": "Failed",
    }


def add_workflow(
    template: Template, *, key: Key, processor: Function, bus: EventBus, dead_letters: Queue
) -> StateMachine:
    """The state machine, its log group and its role."""
    group = template.add_resource(
        LogGroup(
            "WorkflowLogs",
            LogGroupName=Sub(WORKFLOW_LOGS),
            KmsKeyId=GetAtt(key, "Arn"),
            RetentionInDays=Ref("LogRetentionDays"),
            Tags=tags(WORKFLOW_LOGS),
        )
    )
    runs_as = template.add_resource(
        role(
            "WorkflowRole",
            WORKFLOW,
            trust("states", from_account(), from_source(arn("states", f"stateMachine:{WORKFLOW}"))),
            allow("lambda:InvokeFunction", GetAtt(processor, "Arn")),
            put_events(GetAtt(bus, "Arn")),
            send_to(dead_letters),
            use_key(key, "sqs", actions=WRITE_WITH_KEY),
            # Its own history, and its log lines. Never with kms:ViaService: the role itself calls KMS.
            allow(
                WRITE_WITH_KEY,
                GetAtt(key, "Arn"),
                StringEquals(
                    "kms:EncryptionContext:aws:states:stateMachineArn", arn("states", f"stateMachine:{WORKFLOW}")
                ),
            ),
            allow(
                "kms:GenerateDataKey",
                GetAtt(key, "Arn"),
                StringEquals("kms:EncryptionContext:SourceArn", arn("logs", "*")),
            ),
            trace(),
            allow(("xray:GetSamplingRules", "xray:GetSamplingTargets"), "*"),
            deliver_logs(),
        )
    )
    return template.add_resource(
        StateMachine(
            "Workflow",
            StateMachineName=Sub(WORKFLOW),
            StateMachineType="STANDARD",
            EncryptionConfiguration=EncryptionConfiguration(
                Type="CUSTOMER_MANAGED_KMS_KEY", KmsKeyId=GetAtt(key, "Arn")
            ),
            Definition=definition(),
            DefinitionSubstitutions={
                "Bus": bus.ref(),
                "DeadLetters": dead_letters.ref(),
                "First": peer("First"),
                "Processor": GetAtt(processor, "Arn"),
                "Region": Ref("AWS::Region"),
                "Second": peer("Second"),
            },
            LoggingConfiguration=LoggingConfiguration(
                Destinations=[
                    LogDestination(CloudWatchLogsLogGroup=CloudWatchLogsLogGroup(LogGroupArn=GetAtt(group, "Arn")))
                ],
                IncludeExecutionData=If("LogsExecutionData", True, False),
                Level="ALL",
            ),
            RoleArn=GetAtt(runs_as, "Arn"),
            TracingConfiguration=TracingConfiguration(Enabled=True),
            Tags=tags(WORKFLOW),
        )
    )
