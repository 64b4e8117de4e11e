"""The event bus of a Region, the rules between Regions and the janitor's minute (docs/design.md, "Events between
Regions")."""

from typing import Any

from troposphere import GetAtt, If, Ref, Sub, Template
from troposphere.awslambda import Function, Permission
from troposphere.events import Archive, DeadLetterConfig, EventBus, RetryPolicy, Rule, Target
from troposphere.iam import Role
from troposphere.kms import Key
from troposphere.sqs import Queue
from troposphere.stepfunctions import StateMachine

from builder.intrinsics import PEERS, arn, arn_in, peer, tags
from builder.names import BUS, FAILOVER, FAILOVER_IN, FAILOVER_OUT, JANITOR, OUTCOMES
from builder.policies import from_account, from_source, put_events, role, start_workflow, trust
from builder.queues import DEAD_LETTERS_POLICY

ARCHIVE_DAYS = 30


def add_bus(template: Template, key: Key, dead_letters: Queue) -> EventBus:
    """The Region's own bus; only this account's roles put events on it. What cannot be decrypted is a dead letter."""
    return template.add_resource(
        EventBus(
            "EventBus",
            Name=Sub(BUS),
            KmsKeyIdentifier=GetAtt(key, "Arn"),
            DeadLetterConfig=DeadLetterConfig(Arn=GetAtt(dead_letters, "Arn")),
            DependsOn=DEAD_LETTERS_POLICY,
            Tags=tags(BUS),
        )
    )


def add_archive(template: Template, key: Key, bus: EventBus) -> Archive:
    """Outcome events, to be replayed to subscribers. Only those: a replayed failover would start a workflow again."""
    return template.add_resource(
        Archive(
            "OutcomesArchive",
            ArchiveName=Sub(OUTCOMES),
            Description="How payments ended, for replays",
            EventPattern={"source": ["payment.outcomes"]},
            KmsKeyIdentifier=GetAtt(key, "Arn"),
            RetentionDays=ARCHIVE_DAYS,
            SourceArn=GetAtt(bus, "Arn"),
        )
    )


def add_failover_in(template: Template, bus: EventBus, workflow: StateMachine, dead_letters: Queue) -> Rule:
    """Start the own workflow for payments that another Region hands over."""
    starts = template.add_resource(
        role(
            "FailoverInRole",
            FAILOVER_IN,
            _trusted("payment-failover-in-*"),
            start_workflow(workflow.ref()),
        )
    )
    return template.add_resource(
        Rule(
            "FailoverIn",
            Name=Sub(FAILOVER_IN),
            EventBusName=bus.ref(),
            EventPattern={
                "source": ["payment.processing"],
                "detail-type": ["Payment Transaction"],
                # Not this Region's own events: those are on their way out, and would circulate for ever.
                "detail": {"failover": ["true"], "region": [{"anything-but": [Ref("AWS::Region")]}]},
            },
            State="ENABLED",
            Targets=[
                _target("workflow", workflow.ref(), dead_letters, RoleArn=GetAtt(starts, "Arn"), InputPath="$.detail")
            ],
        )
    )


def add_failover_out(template: Template, bus: EventBus, dead_letters: Queue) -> list[Rule]:
    """One rule to each other Region's bus, once the Regions are linked; a target in another Region must be a bus."""
    sends = template.add_resource(
        role(
            "FailoverOutRole",
            FAILOVER_OUT,
            _trusted("payment-failover-*"),
            put_events(*(arn_in("events", f"event-bus/{BUS}", which) for which in PEERS)),
        )
    )
    return [template.add_resource(_out(which, bus, sends, dead_letters)) for which in PEERS]


def _out(which: str, bus: EventBus, sends: Role, dead_letters: Queue) -> Rule:
    name = Sub(FAILOVER, Peer=peer(which))
    wanted: list[Any] = [peer(which)]
    if which == "First":
        wanted.append({"exists": False})  # the standby also takes events that name no next Region
    return Rule(
        f"FailoverTo{which}",
        Condition="Linked",
        Name=name,
        EventBusName=bus.ref(),
        EventPattern={
            "source": ["payment.processing"],
            "detail-type": ["Payment Transaction"],
            "detail": {"region": [Ref("AWS::Region")], "failover": ["true"], "next": wanted},
        },
        State="ENABLED",
        Targets=[
            _target("bus", arn_in("events", f"event-bus/{BUS}", which), dead_letters, RoleArn=GetAtt(sends, "Arn"))
        ],
    )


def add_janitor_schedule(template: Template, janitor: Function, dead_letters: Queue, minutes: int) -> Rule:
    """Every so many minutes; disabled while intake is off. Schedules are rules of the default bus.

    The permission comes first, and goes last: a tick that Lambda refuses is a dead letter at once.
    """
    permission = template.add_resource(
        Permission(
            "JanitorSchedulePermission",
            Action="lambda:InvokeFunction",
            FunctionName=janitor.ref(),
            Principal="events.amazonaws.com",
            SourceArn=arn("events", f"rule/{JANITOR}"),
        )
    )
    return template.add_resource(
        Rule(
            "JanitorSchedule",
            DependsOn=[DEAD_LETTERS_POLICY, permission.title],
            Name=Sub(JANITOR),
            ScheduleExpression="rate(1 minute)" if minutes == 1 else f"rate({minutes} minutes)",
            State=If("IntakeOn", "ENABLED", "DISABLED"),
            Targets=[_target("janitor", GetAtt(janitor, "Arn"), dead_letters)],
        )
    )


def _target(name: str, target: Any, dead_letters: Queue, **options: Any) -> Target:
    return Target(
        Id=name,
        Arn=target,
        DeadLetterConfig=DeadLetterConfig(Arn=GetAtt(dead_letters, "Arn")),
        RetryPolicy=RetryPolicy(MaximumEventAgeInSeconds=3600, MaximumRetryAttempts=3),
        **options,
    )


def _trusted(rules: str) -> Any:
    rule = arn("events", f"rule/{BUS}/{rules}-${{EnvironmentSuffix}}")
    return trust("events", from_account(), from_source(rule))
