"""Parameters, conditions and the mapping of Regions that the templates share."""

from collections.abc import Sequence
from typing import Any

from troposphere import And, Condition, Equals, FindInMap, Not, Or, Parameter, Ref, Select, Split, Sub, Template

from builder.allowed import ENVIRONMENT, JANITORS, PROCESSOR_KINDS, RETENTION_DAYS, SHARDS
from builder.settings import Settings

TRUE_FALSE = ["true", "false"]
ORS = 10
"""Conditions that Fn::Or takes."""


def add_environment(template: Template) -> None:
    """Which environment this is, and whether its data is guarded (docs/design.md, "Names" and "Deleting")."""
    template.add_parameter(
        Parameter(
            "EnvironmentSuffix",
            Type="String",
            AllowedPattern=ENVIRONMENT.pattern,
            ConstraintDescription="1 to 16 of a-z, 0-9 and -, a letter first",
            Description="Environment suffix of every name",
        )
    )
    _text(template, "Protect", "Guard tables and keys against deletion", default="false", allowed=TRUE_FALSE)
    template.add_condition("Protected", Equals(Ref("Protect"), "true"))


def add_regional(template: Template, settings: Settings) -> None:
    """The parameters of a Region's stack; defaults are those of deployment.toml as delivered."""
    add_environment(template)
    _text(
        template, "HomeRegion", "Region of the global stack", default=settings.regions[0], allowed=[*settings.regions]
    )
    _text(
        template,
        "CodeHash",
        "SHA-256 of the function code, its object key in the artifact bucket",
        pattern="[0-9a-f]{64}",
    )
    _text(
        template,
        "CodeVersions",
        "Versions of that object in rank order, comma between; there are none of the default",
        default="none,none,none",
        pattern="[^,]+,[^,]+,[^,]+",
    )
    _number(template, "ReservedConcurrency", "Concurrent processor executions; 0 is unreserved", 2, least=0)
    _number(template, "JanitorConcurrency", "Concurrent janitor executions", 5, most=JANITORS)
    _number(template, "IndexShards", "Shards of the index of overdue cells", SHARDS[0], least=SHARDS[0], most=SHARDS[1])
    _number(template, "RegisterWrites", "Units a second provisioned for the register; 0 is on demand", 0, least=0)
    _number(template, "RegisterReads", "The same for reads; of no meaning on demand", 1)
    _number(template, "LogRetentionDays", "Days that logs are kept", 7, allowed=[*RETENTION_DAYS])
    _text(template, "LogExecutionData", "Put payment data into the workflow's log", default="false", allowed=TRUE_FALSE)
    _text(template, "AlertEmail", "E-mail address for alarms; empty is none", pattern=r"([^@\s]+@[^@\s]+)?")
    _number(template, "ApiRate", "Requests a second", 200)
    _number(template, "ApiBurst", "Requests at once", 400)
    _text(template, "ProcessorUrl", "Payment processor; empty settles by ledger entry")
    _text(template, "ProcessorKind", "What it speaks", default="http", allowed=[*PROCESSOR_KINDS])
    _text(template, "ProcessorCredentialName", "Name of the processor's secret in this Region; empty is none")
    _text(template, "ProcessorDeduplicates", "It honours Idempotency-Key", default="false", allowed=TRUE_FALSE)
    _number(template, "ProcessorKeyLifetimeHours", "Hours it keeps such a key", 24)
    _text(template, "KeyArns", "Keys of all Regions in rank order, comma between; empty until the Regions are linked")
    for rank in range(len(settings.regions)):
        _text(template, f"StreamArn{rank}", f"Stream of the replica of rank {rank}; empty is none")
    _text(template, "DomainName", "Custom domain of the API; empty is none")
    _text(template, "HostedZoneId", "Public hosted zone of the domain")
    _text(template, "CertificateArns", "Certificates in rank order, comma between; empty makes them")
    _text(template, "Intake", "off refuses new payments and stops schedules", default="on", allowed=["on", "off"])
    _text(template, "TestFaults", "Let tests make the function fail", default="false", allowed=TRUE_FALSE)
    add_is_home(template, settings.regions)
    template.add_condition("Reserved", Not(Equals(Ref("ReservedConcurrency"), 0)))
    template.add_condition("Provisioned", Not(Equals(Ref("RegisterWrites"), 0)))
    template.add_condition("LogsExecutionData", Equals(Ref("LogExecutionData"), "true"))
    template.add_condition("HasEmail", Not(Equals(Ref("AlertEmail"), "")))
    template.add_condition("HasProcessor", Not(Equals(Ref("ProcessorUrl"), "")))
    template.add_condition("HasSecret", Not(Equals(Ref("ProcessorCredentialName"), "")))
    template.add_condition("IntakeOn", Equals(Ref("Intake"), "on"))
    template.add_condition("Linked", Not(Equals(Ref("KeyArns"), "")))
    # Region by Region: conditions take no Fn::Select.
    template.add_condition(
        "HasStream",
        Or(
            *(
                And(Equals(Ref("AWS::Region"), name), Not(Equals(Ref(f"StreamArn{rank}"), "")))
                for rank, name in enumerate(settings.regions)
            )
        ),
    )
    template.add_condition("HasDomain", And(Condition("Linked"), Not(Equals(Ref("DomainName"), ""))))
    template.add_condition("MakesCertificate", And(Condition("HasDomain"), Equals(Ref("CertificateArns"), "")))


def add_is_home(template: Template, regions: Sequence[str]) -> None:
    """Region by Region: the linters take the comparison of two references for never true."""
    homes = [And(Equals(Ref("AWS::Region"), name), Equals(Ref("HomeRegion"), name)) for name in regions]
    tens = [Or(*homes[begin : begin + ORS]) for begin in range(0, len(homes), ORS)]
    template.add_condition("IsHome", Or(*tens) if len(tens) > 1 else tens[0])


def add_peers(template: Template, settings: Settings) -> None:
    """The mapping of each Region to its rank and the two others, next in rank first (docs/design.md, "Regions")."""
    regions = settings.regions
    peers = {}
    for rank, region in enumerate(regions):
        first, second = (rank + 1) % 3, (rank + 2) % 3
        peers[region] = {
            "Rank": str(rank),
            "First": regions[first],
            "FirstRank": str(first),
            "Second": regions[second],
            "SecondRank": str(second),
        }
    template.add_mapping("Peers", peers)


def of_rank(parameter: str, which: str) -> Select:
    """The entry for `which` Region ("Rank" is the own one, "FirstRank", "SecondRank") of a list in rank order.

    The commas appended keep Fn::Select inside the list while the parameter is empty.
    """
    index = FindInMap("Peers", Ref("AWS::Region"), which)
    return Select(index, Split(",", Sub("${" + parameter + "},,")))


def _text(
    template: Template,
    name: str,
    description: str,
    *,
    default: str | None = "",
    allowed: list[str] | None = None,
    pattern: str | None = None,
) -> None:
    options: dict[str, object] = {"Type": "String", "Description": description}
    if default is not None and name != "CodeHash":
        options["Default"] = default
    if allowed:
        options["AllowedValues"] = allowed
    if pattern:
        options["AllowedPattern"] = pattern
    template.add_parameter(Parameter(name, **options))


def _number(
    template: Template,
    name: str,
    description: str,
    default: int,
    *,
    least: int = 1,
    most: int = 0,
    allowed: list[int] | None = None,
) -> None:
    limits: dict[str, Any] = {"AllowedValues": allowed} if allowed else {"MinValue": least}
    if most:
        limits["MaxValue"] = most
    template.add_parameter(Parameter(name, Type="Number", Description=description, Default=default, **limits))
