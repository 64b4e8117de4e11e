"""Checks of workflows, of traces, of health, and of a Region that is lost."""

import json
import time
import uuid
from typing import Any, Final
from urllib.parse import urlsplit

from builder.names import PROCESSOR, WORKFLOW_LOGS
from payctl.acceptance.check import Checks, Group, require
from payctl.acceptance.deploying import domain
from payctl.acceptance.site import Site
from payctl.drills import drill
from payctl.drills.injectors import AwsInjector
from payctl.drills.load import Plan, new_prefix
from payctl.drills.scenarios import Outage
from payctl.payments import dead_letters, pay

CHECKS: Final = Checks(Group.FAILOVER)
check = CHECKS.check
LISTED_SECONDS: Final = 10.0  # `destroy` looks later than that after the intake was turned off
ENDED: Final = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


def _start(site: Site, transaction: dict[str, Any]) -> str:
    """Start a Region's workflow by hand; the execution's ARN."""
    answer = site.environment.cloud.stepfunctions(site.home).start_execution(
        stateMachineArn=site.environment.names.state_machine(site.home),
        name=f"acceptance-{uuid.uuid4()}",
        input=json.dumps({"transaction": transaction}),
    )
    return answer["executionArn"]


@check(
    "error-names",
    source="Lambda's Python runtime reports it as errorType; the workflow's Retry and Catch name "
    "InvalidTransaction, IdTaken and NotSettled.",
    minutes=1,
)
def error_names(site: Site) -> None:
    """The class name of a function's exception is the error's name in Step Functions."""
    api, execution = site.environment.cloud.stepfunctions(site.home), _start(site, {"id": "no amount"})
    try:
        ended = site.until(
            lambda: found if (found := api.describe_execution(executionArn=execution))["status"] in ENDED else None,
            aws=120,
            local=10,
            seen=f"{execution} has not ended",
        )
        site.show(f"{ended['status']}: {ended.get('error')}: {ended.get('cause')}")
        require(ended.get("error") == "InvalidTransaction", f"the error is called {ended.get('error')}")
    finally:
        site.environment.cloud.sqs(site.home).purge_queue(QueueUrl=dead_letters.queue(site.environment, site.home))


@check(
    "absent-cause",
    source="JSONata 2.0.6 says so; which version Step Functions runs is not published.",
)
def absent_cause(site: Site) -> None:
    """An error without a cause (States.Timeout) gives the empty text by JSONata's `&`."""
    state = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $states.input.Cause & '' %}", "End": True}
    found = site.environment.cloud.stepfunctions(site.home).test_state(definition=json.dumps(state), input="{}")
    site.show(f"TestState: {found['status']} {found.get('output')} {found.get('cause', '')}")
    require(found.get("output") == '""', f"it gives {found.get('output')}")


@check(
    "executions-listed",
    source="Its lists are eventually consistent (API reference, ListExecutions).",
    minutes=1,
)
def executions_listed(site: Site) -> None:
    """Step Functions lists an execution within ten seconds of its start, so that `payctl destroy` overlooks none."""
    api, names = site.environment.cloud.stepfunctions(site.home), site.environment.names
    transaction = pay.payment(payment_id=site.new_payment(), amount="1.00", currency="EUR", timestamp="")
    execution = _start(site, transaction)

    def listed() -> bool:
        page = api.list_executions(stateMachineArn=names.state_machine(site.home), maxResults=100)
        return any(each["executionArn"] == execution for each in page["executions"])

    site.until(listed, aws=LISTED_SECONDS, local=LISTED_SECONDS, seen=f"{execution} is not listed")


@check(
    "workflow-under-key",
    source='Read, not seen (docs/aws.md, "Services that use a key themselves").',
    not_local="the local cloud encrypts no history",
    minutes=2,
)
def workflow_under_key(site: Site) -> None:
    """An execution under the Region's key begins, its history can be read, and its lines arrive in the log group."""
    api, logs = site.environment.cloud.stepfunctions(site.home), site.environment.cloud.logs(site.home)
    execution = _start(site, pay.payment(payment_id=site.new_payment(), amount="1.00", currency="EUR", timestamp=""))

    def logged() -> bool:
        group = site.environment.names.of(WORKFLOW_LOGS, site.home)
        name = execution.rpartition(":")[2]
        return bool(logs.filter_log_events(logGroupName=group, filterPattern=f'"{name}"')["events"])

    site.until(logged, aws=60, local=5, seen=f"no line of {execution} in the log group")
    events = api.get_execution_history(executionArn=execution)["events"]
    site.show(f"{len(events)} events in the history")
    require(events[0]["type"] == "ExecutionStarted", f"the history begins with {events[0]['type']}")


@check(
    "addresses-untraced",
    source="API Gateway's segment holds the address, so its stage is not traced; that Lambda's segments of such a "
    "request hold none is read, not seen.",
    minutes=3,
)
def addresses_untraced(site: Site) -> None:
    """X-Ray keeps the address of no request to the API, though the function is traced."""
    api, began, payment = site.client("xray"), time.time() - 1, site.new_payment()
    function = site.environment.names.of(PROCESSOR, site.home)
    site.post(payment)
    pay.look(site.environment, payment, (site.home,))

    def traces() -> list[dict[str, Any]]:
        summaries = api.get_trace_summaries(StartTime=began, EndTime=time.time())["TraceSummaries"]
        names = [str(service.get("Name")) for each in summaries for service in each.get("ServiceIds", [])]
        return summaries if function in names else []

    seen = site.until(traces, aws=120, local=5, seen=f"no trace of {function}")
    kept = [each for each in seen if payment in each.get("Http", {}).get("HttpURL", "")]
    site.show(f"{len(seen)} traces, {len(kept)} with the address of a request")
    require(not kept, f"{len(kept)} traces hold the address of a request")


@check(
    "health-switch",
    source="The health function reads it from the Region's own register table, consistently.",
    minutes=1,
)
def health_switch(site: Site) -> None:
    """The operator's switch makes a Region's health endpoint answer 503, and 200 again when it is removed."""
    injector = AwsInjector(site.environment)
    outage = Outage(start=0, end=0, regions=(site.home,), what="out of DNS")

    def answers(status: int) -> None:
        site.until(
            lambda: site.unsigned("GET", "/health", site.home).status == status,
            aws=60,
            local=5,
            seen=f"{site.home}: GET /health does not answer {status}",
        )
        site.show(f"{site.home}: GET /health answers {status}")

    answers(200)
    try:
        injector.begin(outage)
        answers(503)
    finally:
        injector.heal()
    answers(200)


@check(
    "health-checks-follow",
    source="Route 53 guide: from several places, so a change shows a little earlier or later.",
    not_local="no name leads to the local cloud",
    minutes=5,
)
def health_checks_follow(site: Site) -> None:
    """Route 53's health check of a Region fails within a minute of the switch, and recovers: it looks every 10 s."""
    domain(site)
    route53 = site.client("route53")
    host = urlsplit(site.environment.api_outputs[site.home]["ApiEndpoint"]).hostname
    pages = route53.get_paginator("list_health_checks").paginate()
    checks = [each for page in pages for each in page["HealthChecks"]]
    ids = [each["Id"] for each in checks if each["HealthCheckConfig"].get("FullyQualifiedDomainName") == host]
    require(ids, f"no health check of {host}")

    def most_say(word: str) -> bool:
        found = route53.get_health_check_status(HealthCheckId=ids[0])["HealthCheckObservations"]
        return 2 * sum(str(each["StatusReport"]["Status"]).startswith(word) for each in found) > len(found)

    injector = AwsInjector(site.environment)
    try:
        injector.begin(Outage(start=0, end=0, regions=(site.home,), what="out of DNS"))
        site.until(lambda: most_say("Failure"), aws=60, local=1, seen="the health check does not fail")
    finally:
        injector.heal()
    site.until(lambda: most_say("Success"), aws=120, local=1, seen="the health check does not recover")


@check(
    "region-loss",
    source="The drill as an operator runs it: on AWS it takes the Region out of DNS, on the local cloud it ends it.",
    minutes=8,
)
def region_loss(site: Site) -> None:
    """Losing the home Region under load loses no payment, shows none differently in two Regions, and passes the
    drill's verdict."""
    count, rate, window = (60, 6.0, 4.0) if site.local else (600, 20.0, 20.0)
    plan = Plan(
        payments=count, rate=rate, near=site.regions, prefix=new_prefix("D"), impatient=0.1, patience=30.0, seed=1
    )
    options = drill.Options(
        name="region-loss", plan=plan, window=window, limit=300.0 * site.patience, hurry=site.local, consent=True
    )
    done = drill.run(site.environment, options)
    verdict = done.verdict.as_dict()
    shown = ("accepted", "settled", "lost", "contradicted", "differing", "receipts_missing", "recovery_seconds")
    site.show(f"{done.seconds:.0f} s", ", ".join(f"{name} {verdict[name]}" for name in shown))
    require(done.verdict.passed, "; ".join(verdict["failures"]))
