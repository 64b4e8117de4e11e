"""Lints the three templates together: each alone, each Region before and after the link, and all of them as one."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from builder.lint.cross_region import (
    check_before_link,
    check_failover,
    check_patterns,
    check_rule_targets,
    check_subscriptions,
)
from builder.lint.evaluate import Resolved, UnresolvedError, resolve
from builder.lint.finding import Fault, Finding
from builder.lint.keys import check_keys
from builder.lint.references import check_references
from builder.lint.replication import check_attributes, check_buckets, check_global_tables
from builder.lint.rights import check_event_rights, check_key_rights, check_trust
from builder.lint.shapes import check_shapes
from builder.lint.workflow import check_workflow

# What an environment is told, all options on; a template takes those parameters that it has.
BASIC = {"EnvironmentSuffix": "dev", "CodeHash": "0" * 64}
FULL = {
    **BASIC,
    "AlertEmail": "alerts@example.com",
    "DomainName": "pay.example.com",
    "HostedZoneId": "Z0000000000000000000",
    "ProcessorUrl": "https://processor.example",
    "ProcessorCredentialName": "processor-key",
}
Found = list[tuple[str, str, Fault]]  # file, Region


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
    """Every finding; `regions` in rank order. What cannot be read is all that is told: the rest follows from it."""
    sources = [regional, world, *([bootstrap] if bootstrap else [])]
    found: Found = [(source.file, "", fault) for source in sources for fault in check_references(source.document)]
    if not regions:
        remedy = "give each Region its Rank, First and Second in the mapping Peers"
        found.append((regional.file, "", Fault("Peers", "CloudFormation cannot tell a Region its peers", remedy)))
    if found:
        return _findings(found, regions)
    unlinked = _stacks(regional, regions, BASIC, found)
    keys = [str(unlinked[region].outputs.get("KeyArn", "")) for region in regions if region in unlinked]
    if not all(keys):
        remedy = "output the ARN of the Region's key as KeyArn"
        found.append(
            (regional.file, "", Fault("KeyArn", "payctl cannot link the Regions: a stack's key is unknown", remedy))
        )
    given = {**FULL, "KeyArns": ",".join(keys)}
    linked = _stacks(regional, regions, given, found)
    spanning = _stacks(world, regions[:1], given, found)
    accounts = _stacks(bootstrap, regions, BASIC, found) if bootstrap else {}
    if found:
        return _findings(found, regions)
    home = spanning[regions[0]]
    checks = (check_attributes, check_trust, check_workflow)
    for source, stacks in ((regional, linked), (world, spanning), *([(bootstrap, accounts)] if bootstrap else [])):
        found += _each(source, stacks, *checks)
    found += _each(regional, unlinked, check_before_link)
    found += _each(
        regional,
        linked,
        lambda stack: check_rule_targets(stack, linked),
        lambda stack: check_subscriptions(stack, home),
        lambda stack: check_buckets(stack, linked),
        lambda stack: check_keys(stack, home),
        lambda stack: check_key_rights(stack, regions),
        check_event_rights,
    )
    found += _each(world, spanning, lambda stack: check_global_tables(stack, linked))
    unreadable = list(_each(regional, linked, check_patterns))
    found += unreadable or _each(regional, linked, lambda stack: check_failover(stack, linked))
    return _findings(found, regions)


def _stacks(source: Source, regions: Iterable[str], parameters: Mapping[str, str], found: Found) -> dict[str, Resolved]:
    """The template in each Region; what cannot be evaluated or read is added to `found`."""
    declared = source.document.get("Parameters", {})
    stacks = {}
    for region in regions:
        try:
            stack = resolve(source.document, region=region, **{k: v for k, v in parameters.items() if k in declared})
        except UnresolvedError as error:
            found += [(source.file, region, fault) for fault in error.faults]
        else:
            found += [(source.file, region, fault) for fault in check_shapes(stack)]
            stacks[region] = stack
    return stacks


def _each(
    source: Source, stacks: Mapping[str, Resolved], *checks: Callable[[Resolved], Iterator[Fault]]
) -> Iterator[tuple[str, str, Fault]]:
    for region, stack in stacks.items():
        for check in checks:
            yield from ((source.file, region, fault) for fault in check(stack))


def _findings(found: Found, regions: Sequence[str]) -> tuple[Finding, ...]:
    """One finding a fault: with the Regions it is in, unless it is in all of them."""
    places: dict[tuple[str, Fault], list[str]] = {}
    for file, region, fault in found:
        places.setdefault((file, fault), []).append(region)
    return tuple(
        Finding(
            file=file,
            logical_id=fault.logical_id,
            region="" if set(regions) <= set(where) else ", ".join(dict.fromkeys(where)),
            effect=fault.effect,
            remedy=fault.remedy,
        )
        for (file, fault), where in places.items()
    )
