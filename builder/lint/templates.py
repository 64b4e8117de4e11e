"""Lints the three templates together: each alone, each Region before and after the link, and all of them as one."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from builder.lint.boundary import boundary_of, check_bounded, check_within
from builder.lint.cross_region import (
    check_before_link,
    check_failover,
    check_patterns,
    check_rule_targets,
    check_subscriptions,
)
from builder.lint.evaluate import ACCOUNT, Resolved, UnresolvedError, resolve
from builder.lint.finding import Fault, Finding
from builder.lint.keys import check_keys
from builder.lint.references import check_references
from builder.lint.replication import check_attributes, check_buckets, check_global_tables
from builder.lint.rights import check_event_rights, check_key_rights, check_trust
from builder.lint.shapes import check_shapes
from builder.lint.workflow import check_workflow
from builder.names import EXECUTION_ROLE

# The parameters of an environment, all options on; a template takes those that it declares.
BASIC = {"EnvironmentSuffix": "dev", "CodeHash": "0" * 64}
FULL = {
    **BASIC,
    "AlertEmail": "alerts@example.com",
    "DomainName": "pay.example.com",
    "HostedZoneId": "Z0000000000000000000",
    "ProcessorUrl": "https://processor.example",
    "ProcessorCredentialName": "processor-key",
}
# What bootstrap is told for them.
TOLD = {
    "ExecutionRoleArns": f"arn:aws:iam::{ACCOUNT}:role/{EXECUTION_ROLE}",
    "HostedZoneArns": f"arn:aws:route53:::hostedzone/{FULL['HostedZoneId']}",
    "RecordNames": f"{FULL['DomainName']},*.{FULL['DomainName']}",
    "CredentialArns": f"arn:aws:secretsmanager:*:{ACCOUNT}:secret:{FULL['ProcessorCredentialName']}-??????",
}
Faults = list[tuple[str, str, Fault]]  # file, Region


class Source(NamedTuple):
    """A template and the file it is from."""

    file: str
    document: Any


def regions_of(regional: Any) -> tuple[str, ...]:
    """The Regions that the regional template was built for, in rank order; () where its mapping `Peers` is missing."""
    try:
        peers = regional["Mappings"]["Peers"]
        return tuple(sorted(peers, key=lambda region: str(peers[region]["Rank"])))
    except (KeyError, TypeError):
        return ()


def lint(
    regional: Source, world: Source, bootstrap: Source | None = None, *, regions: Sequence[str]
) -> tuple[Finding, ...]:
    """Every finding; `regions` in rank order. A template that cannot be read has no other findings than that."""
    sources = [regional, world, *([bootstrap] if bootstrap else [])]
    faults: Faults = [(source.file, "", fault) for source in sources for fault in check_references(source.document)]
    if not regions:
        remedy = "give each Region its Rank, First and Second in the mapping"
        faults.append((regional.file, "", Fault("Peers", "CloudFormation finds no peers for a Region", remedy)))
    if faults:
        return _findings(faults, regions)
    unlinked = _stacks(regional, regions, BASIC, faults)
    keys = [str(unlinked[region].outputs.get("KeyArn", "")) for region in regions if region in unlinked]
    if not all(keys):
        fault = Fault("KeyArn", "payctl cannot link the Regions without their keys", "output the key's ARN as KeyArn")
        faults.append((regional.file, "", fault))
    streams = {
        f"StreamArn{rank}": f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/payments-dev/stream/0"
        for rank, region in enumerate(regions)
    }
    parameters = {**FULL, **streams, "KeyArns": ",".join(keys)}
    linked = _stacks(regional, regions, parameters, faults)
    spanning = _stacks(world, regions[:1], parameters, faults)
    accounts = _stacks(bootstrap, regions, TOLD, faults) if bootstrap else {}
    if faults:
        return _findings(faults, regions)
    home = spanning[regions[0]]
    checks = (check_attributes, check_trust, check_workflow)
    for source, stacks in ((regional, linked), (world, spanning), *([(bootstrap, accounts)] if bootstrap else [])):
        faults += _each(source, stacks, *checks)
    faults += _each(regional, unlinked, check_before_link)
    faults += [*_each(regional, linked, check_bounded), *_each(world, spanning, check_bounded)]
    if bootstrap:
        boundary = boundary_of(accounts[regions[0]])
        faults += _each(regional, linked, lambda stack: check_within(stack, boundary))
        faults += _each(world, spanning, lambda stack: check_within(stack, boundary))
    faults += _each(
        regional,
        linked,
        lambda stack: check_rule_targets(stack, linked),
        lambda stack: check_subscriptions(stack, home),
        lambda stack: check_buckets(stack, linked),
        lambda stack: check_keys(stack, home),
        lambda stack: check_key_rights(stack, regions),
        check_event_rights,
    )
    faults += _each(world, spanning, lambda stack: check_global_tables(stack, linked))
    unreadable = list(_each(regional, linked, check_patterns))
    faults += unreadable or _each(regional, linked, lambda stack: check_failover(stack, linked))
    return _findings(faults, regions)


def _stacks(
    source: Source, regions: Iterable[str], parameters: Mapping[str, str], faults: Faults
) -> dict[str, Resolved]:
    """The template in each Region; what cannot be evaluated or read is added to `faults`."""
    declared = source.document.get("Parameters", {})
    stacks = {}
    for region in regions:
        try:
            stack = resolve(source.document, region=region, **{k: v for k, v in parameters.items() if k in declared})
        except UnresolvedError as error:
            faults += [(source.file, region, fault) for fault in error.faults]
        else:
            faults += [(source.file, region, fault) for fault in check_shapes(stack)]
            stacks[region] = stack
    return stacks


def _each(
    source: Source, stacks: Mapping[str, Resolved], *checks: Callable[[Resolved], Iterator[Fault]]
) -> Iterator[tuple[str, str, Fault]]:
    for region, stack in stacks.items():
        for check in checks:
            yield from ((source.file, region, fault) for fault in check(stack))


def _findings(faults: Faults, regions: Sequence[str]) -> tuple[Finding, ...]:
    """One finding a fault: with the Regions it is in, unless it is in all of them."""
    places: dict[tuple[str, Fault], list[str]] = {}
    for file, region, fault in faults:
        places.setdefault((file, fault), []).append(region)
    findings = []
    for (file, fault), where in places.items():
        region = "" if set(regions) <= set(where) else ", ".join(dict.fromkeys(where))
        findings.append(Finding(file, fault.logical_id, region, fault.effect, fault.remedy))
    return tuple(findings)
