"""The template of one Region; a StackSet deploys it to all three (docs/design.md, "One command, three phases")."""

from typing import Any

from troposphere import GetAtt, Output, Sub, Template

from builder import (
    alarms,
    alerts,
    api,
    dns,
    encryption,
    events,
    parameters,
    queues,
    release_check,
    storage,
    tables,
    workflow,
)
from builder.functions import Functions
from builder.settings import Settings


def regional_template(settings: Settings) -> Template:
    """What a Region needs by itself and, once `KeyArns` is set, what links it to the others."""
    template = Template(Description="Payments: one Region")
    parameters.add_regional(template, settings)
    parameters.add_peers(template, settings)

    key = encryption.add_key(template)
    receipts = storage.add_receipts(template, key)
    register = tables.add_register(template, key)
    dead_letters = queues.add_dead_letters(template, key)
    topic = alerts.add_topic(template, key)

    functions = Functions(template, settings, key=key, register=register, dead_letters=dead_letters)
    processor = functions.add_processor()
    health = functions.add_health()
    janitor = functions.add_janitor()
    outcomes = functions.add_outcomes()
    functions.add_stream(outcomes)
    release_check.add_check(template, functions, processor=processor, health=health, janitor=janitor, outcomes=outcomes)

    bus = events.add_bus(template, key, dead_letters)
    events.add_archive(template, key, bus)
    machine = workflow.add_workflow(template, key=key, processor=processor, bus=bus, dead_letters=dead_letters)
    events.add_failover_in(template, bus, machine, dead_letters)
    rules_out = events.add_failover_out(template, bus, dead_letters)
    schedule = events.add_janitor_schedule(template, janitor, dead_letters, settings.janitor.every_minutes)

    rest_api, stage = api.add_api(template, settings, key=key, processor=processor, health=health)
    dns.add_domain(template, rest_api, stage)

    watch = alarms.Alarms(template, topic, settings)
    watch.add_function_alarms(processor)
    watch.add_workflow_alarms(machine)
    watch.add_queue_alarm(dead_letters)
    watch.add_api_alarm(stage)
    watch.add_event_alarm(bus, rules_out, schedule)
    watch.add_replication_alarms()
    watch.add_throttling_alarms()
    watch.add_janitor_alarms()
    watch.add_outcome_alarms(outcomes)

    endpoint = Sub("https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/prod")
    add_outputs(
        template,
        ApiEndpoint=endpoint,
        ApiId=rest_api.ref(),
        BucketName=receipts.ref(),
        DeadLetterQueueArn=GetAtt(dead_letters, "Arn"),
        DeadLetterQueueUrl=dead_letters.ref(),
        EventBusArn=GetAtt(bus, "Arn"),
        FunctionArn=GetAtt(processor, "Arn"),
        FunctionName=processor.ref(),
        HealthFunctionArn=GetAtt(health, "Arn"),
        JanitorFunctionArn=GetAtt(janitor, "Arn"),
        KeyArn=GetAtt(key, "Arn"),
        KeyId=key.ref(),
        OutcomesFunctionArn=GetAtt(outcomes, "Arn"),
        RegisterTableName=register.ref(),
        StateMachineArn=machine.ref(),
        TopicArn=topic.ref(),
    )
    return template


def add_outputs(template: Template, **values: Any) -> None:
    """What `payctl outputs` gathers from every Region (docs/design.md, "Outputs")."""
    for name, value in values.items():
        template.add_output(Output(name, Value=value))
