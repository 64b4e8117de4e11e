"""What each command prints with `--json`, as types: docs/schemas/ is made of them, and tests hold answers to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from payctl.acceptance.check import Finding
from payctl.costs.answer import Costs
from payctl.drills.client_log import Answer
from payctl.drills.verdict import Verdict
from payctl.environments import destroy, drift, plan, status, why
from payctl.environments.deploy import Deployed
from payctl.environments.gates.check import Check
from payctl.environments.rollback import Open
from payctl.payments.dead_letters import Letter
from payctl.payments.logs import Line
from payctl.payments.parked import Waiting
from payctl.payments.pay import Reply
from payctl.payments.reconcile import Reconciliation
from payctl.payments.teaching.lesson import Rejoined
from payctl.processors import conformance
from payctl.regions.service import Service
from payctl.releases.project import Begun
from payctl.views.listing import Listing
from payctl.views.timeline import Whole
from stacksets.errors import Cause


@dataclass(frozen=True)
class Outputs:
    """Names, addresses and ARNs, most by Region."""

    dynamodb_table_name: str
    api_endpoint: str
    api_endpoints: dict[str, str]
    lambda_function_arns: dict[str, str]
    state_machine_arns: dict[str, str]
    s3_bucket_names: dict[str, str]
    sns_topic_arns: dict[str, str]
    kms_key_ids: dict[str, str]


@dataclass(frozen=True)
class Destroyed:
    """Whether there was something to remove."""

    environment: str
    removed: bool


@dataclass(frozen=True)
class Load:
    """A run of payments in figures; `answers` by HTTP status, 0 for none."""

    payments: int
    accepted: int
    outcomes: dict[str, int]
    requests: int
    answers: dict[str, int]
    regions: dict[str, int]
    errors: int
    seconds: float
    latency_ms: dict[str, float]


@dataclass(frozen=True)
class Outage:
    """What was broken, from when to when: seconds since the load began."""

    from_: float
    to: float
    what: str
    regions: list[str]


@dataclass(frozen=True, kw_only=True)
class Judged(Verdict):
    """The verdict, with what it comes to."""

    passed: bool = True


@dataclass(frozen=True)
class Drill:
    """A drill; seconds since its load began."""

    drill: str
    environment: str
    seed: int
    rate: float
    hurried: bool
    seconds: float
    outages: list[Outage]
    load: Load
    verdict: Judged


@dataclass(frozen=True)
class Fault:
    """A fault that is set; which members there are depends on its kind."""

    id: str
    kind: str
    region: str
    regions: list[str]
    service: str
    operation: str
    how: str
    share: float
    seconds: float
    jitter: float
    zone: str


@dataclass(frozen=True)
class Faults:
    """The seed of random faults, and those that are set."""

    seed: int
    faults: list[Fault]


@dataclass(frozen=True)
class SetFault:
    """The id to clear it by."""

    id: str


@dataclass(frozen=True)
class ClearedFaults:
    """One id, or `all`."""

    cleared: str


@dataclass(frozen=True)
class Acceptance:
    """A run of `payctl accept`; `left`: the environment is still there."""

    environment: str
    home: str
    regions: list[str]
    local: bool
    began: str
    seconds: float
    version: str
    commit: str
    left: bool
    counts: dict[str, int]
    findings: list[Finding]


@dataclass(frozen=True)
class Resolved:
    """What was ruled about a payment, and by whom."""

    payment: str
    status: str
    by: str
    says: str


@dataclass(frozen=True)
class ReleaseOf:
    """A release that is kept: its name, when it was deployed, its number, and the hash of its code."""

    name: str
    at: str
    release: int
    code: str


@dataclass(frozen=True)
class Rollback:
    """What was deployed again, and the payments that are not finished yet."""

    environment: str
    release: ReleaseOf
    steps: list[str]
    unfinished: list[Open]


@dataclass(frozen=True)
class PlannedRollback:
    """What would be deployed again, and what that would change."""

    release: ReleaseOf
    plan: plan.Plan


@dataclass(frozen=True)
class Exported:
    """The file, and how many payments it holds."""

    file: str
    payments: int


@dataclass(frozen=True)
class ProcessorCheck:
    """What a sandbox was found to keep; `counts` by verdict."""

    url: str
    kind: str
    deduplicates: bool
    key_lifetime_hours: int
    findings: list[conformance.Finding]
    counts: dict[str, int]


@dataclass(frozen=True)
class Withdrawn:
    """What became of a bar that one Region alone held."""

    region: str
    says: str


@dataclass(frozen=True)
class Removed:
    """Athena's database that is gone."""

    removed: str


@dataclass(frozen=True)
class Failure:
    """How every command ends that cannot answer; its exit code is 1, or 130 after Ctrl-C."""

    error: str
    remedy: str
    causes: list[Cause]


class Shape(NamedTuple):
    """The type of an answer, the members that the command adds to it, and whether it is one of many lines."""

    kind: Any
    more: Mapping[str, type] = {}
    lines: bool = False


SHAPES: Final[Mapping[str, Shape]] = {
    "init": Shape(Begun),
    "bootstrap": Shape(dict[str, dict[str, str]]),
    "preflight": Shape(list[Check]),
    "plan": Shape(plan.Plan, {"exit_code": int}),
    "deploy": Shape(Deployed, {"environment": str}),
    "status": Shape(status.Status),
    "outputs": Shape(Outputs),
    "destroy": Shape(Destroyed),
    "destroy --plan": Shape(destroy.Plan),
    "why": Shape(why.Explanation),
    "drift": Shape(list[drift.Drift]),
    "reconcile": Shape(Reconciliation),
    "reconcile --remove": Shape(Removed),
    "redrive": Shape(list[Letter]),
    "drill": Shape(Drill),
    "faults list": Shape(Faults),
    "faults set": Shape(SetFault),
    "faults clear": Shape(ClearedFaults),
    "estimate": Shape(Costs),
    "accept": Shape(Acceptance),
    "accept --clean": Shape(dict[str, list[str]]),
    "pay": Shape(list[Reply]),
    "pay --rate": Shape(Load, {"log": list[Answer]}),
    "logs": Shape(Line, lines=True),
    "parked": Shape(list[Waiting]),
    "resolve": Shape(Resolved),
    "rejoin": Shape(Rejoined),
    "rejoin --withdraw": Shape(Withdrawn),
    "rollback": Shape(Rollback),
    "rollback --plan": Shape(PlannedRollback),
    "region out": Shape(Service),
    "region in": Shape(Service),
    "payments list": Shape(Listing),
    "payments show": Shape(Whole),
    "payments export": Shape(Exported),
    "processor-check": Shape(ProcessorCheck),
    "any that fails": Shape(Failure),
}
"""By what one types; every command has one."""
