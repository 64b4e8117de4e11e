"""Runs an acceptance: makes the throwaway environment, runs every check, removes it; resumes what was broken off."""

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from builder.allowed import DOMAIN_TAGS
from builder.settings import Domain, Processor, Settings
from payctl.acceptance import leftovers
from payctl.acceptance.catalogue import chosen
from payctl.acceptance.check import Check, Finding, NotHereError, Stage, Verdict
from payctl.acceptance.leftovers import PREFIX, SUFFIX, TAG
from payctl.acceptance.site import LINES, Site, Trace
from payctl.advice import explain
from payctl.environment import Environment
from payctl.version import version
from stacksets.errors import InterruptedRunError, ToolError

FOLDER: Final = Path(".run")
# USD: an hour of 3 keys, 75 alarms and a dashboard at a month's price; and a thousand payments (docs/protocol.md, "What
# it costs"), logs and metrics included. Rounded up.
USD_AN_HOUR: Final = 0.02
USD_AT_ONCE: Final = 0.50


@dataclass(frozen=True, kw_only=True)
class Options:
    """`only` and `skip` are groups or ids. `keep` leaves the environment. `confirm` is asked once."""

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    keep: bool = False
    confirm: Callable[[Sequence[str]], bool] = field(default=lambda _: True)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What a run writes down after each check, so that the next goes on after it: findings by id, and facts."""

    file: Path
    environment: str
    account: str
    home: str
    endpoint: str
    began: str
    findings: dict[str, dict[str, Any]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def save(self) -> None:
        """Write it down, whole or not at all."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        content = {name: value for name, value in self.__dict__.items() if name != "file"}
        draft = self.file.with_suffix(".draft")
        draft.write_text(json.dumps(content, default=str), encoding="utf-8")
        draft.replace(self.file)

    def forget(self) -> None:
        """The run is over."""
        self.file.unlink(missing_ok=True)


def memory_of(environment: Environment, suffix: str = "", folder: Path = FOLDER) -> Memory:
    """That of a run that was broken off in this account and home Region, or of a new one with a name of its own."""
    cloud = environment.cloud
    for found in remembered(environment, folder):
        if suffix in ("", found.environment):
            return found
    name = suffix or f"{PREFIX}{secrets.token_hex(3)}"
    if not SUFFIX.fullmatch(name):
        raise ToolError(f"{name} is no name of a throwaway environment", remedy=f"use {PREFIX} and up to 9 of a-z, 0-9")
    return Memory(
        file=folder / f"{name}.json",
        environment=name,
        account=cloud.account,
        home=environment.home,
        endpoint=cloud.endpoint,
        began=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def remembered(environment: Environment, folder: Path = FOLDER) -> Iterator[Memory]:
    """The runs of this account, home Region and endpoint that were broken off."""
    cloud = environment.cloud
    for file in sorted(folder.glob(f"{PREFIX}*.json")):
        with suppress(ValueError, TypeError):
            found = Memory(file=file, **json.loads(file.read_text(encoding="utf-8")))
            if (found.account, found.home, found.endpoint) == (cloud.account, environment.home, cloud.endpoint):
                yield found


def throwaway(settings: Settings, memory: Memory, domain: str = "") -> Settings:
    """The settings of the throwaway environment: the operator's accounts and limits, nobody's domain, e-mail or
    processor, and no protection."""
    facts = memory.facts
    facts["domain"] = domain = domain or facts.get("domain", "")  # a run that is gone on with has that of its beginning
    # Two more come: that of acceptance, and one by which it changes all tags.
    own = dict(islice(settings.tags.items(), DOMAIN_TAGS - 2)) if domain else settings.tags
    return settings._replace(
        environment=memory.environment,
        tags={**own, **facts.get("tags", {}), TAG: memory.began.replace(":", "-")},
        limits=settings.limits._replace(
            log_retention_days=facts.get("retention", 7),
            # Half of what the load client has under way: two Regions are enough for all of it.
            reserved_concurrency=settings.limits.reserved_concurrency and max(settings.limits.reserved_concurrency, 12),
        ),
        options=settings.options._replace(protect=False, alert_email="", log_execution_data=False),
        processor=Processor(),
        domain=Domain(name=domain, hosted_zone_id=settings.domain.hosted_zone_id) if domain else Domain(),
    )


def accept(environment: Environment, options: Options, memory: Memory, trace: Trace) -> dict[str, Any]:
    """Run every chosen check; the report's data. Raises ToolError where nothing was run, InterruptedRunError where it
    was broken off."""
    began, site = time.monotonic(), Site(environment, trace, memory.facts)
    checks = chosen(options.only, options.skip)
    if not memory.file.exists() and leftovers.exists(environment):
        raise ToolError(
            f"environment {memory.environment} exists", remedy="choose another --suffix, or see `payctl accept --clean`"
        )
    if not options.confirm(plan(site, checks, memory)):
        raise ToolError("nothing was changed")
    memory.save()
    try:
        findings = _run(site, checks, memory, keep=options.keep)
    except (KeyboardInterrupt, InterruptedRunError) as error:
        raise InterruptedRunError(
            f"interrupted: environment {memory.environment} is left as it is",
            remedy="repeat the command to go on, or remove it with `payctl accept --clean`",
        ) from error
    if not options.keep:
        memory.forget()
    return _report(site, findings, memory, time.monotonic() - began)


def plan(site: Site, checks: Sequence[Check], memory: Memory) -> tuple[str, ...]:
    """What a run makes, how long it takes, and about what it costs, as sentences."""
    environment, names = site.environment, site.environment.names
    left = [check for check in checks if check.id not in memory.findings]
    able = [check for check in left if not (site.local and check.not_local)]
    minutes = 4.0 if site.local else sum(check.minutes for check in able) + 5
    cost = "nothing" if site.local else f"about {USD_AT_ONCE + USD_AN_HOUR * minutes / 60:.2f} USD"
    return (
        *([f"go on with the run of {memory.began}, {len(memory.findings)} checks done"] if memory.findings else []),
        f"make environment {memory.environment} in account {environment.cloud.account}, {', '.join(site.regions)}: "
        f"{names.stack_set} and {names.global_stack}, about {len(site.regions) * 95} resources",
        f"run {len(able)} checks; {len(left) - len(able)} cannot be checked here",
        "remove the environment, and write a report",
        f"it takes about {minutes:.0f} minutes and costs {cost}",
    )


def _run(site: Site, checks: Sequence[Check], memory: Memory, *, keep: bool) -> list[dict[str, Any]]:
    """Run what has not run yet, and write down each finding; those of what cannot be run are told only."""
    findings = []
    for check in checks:
        if check.id not in memory.findings and (why := _obstacle(check, memory, keep=keep)):
            findings.append(asdict(_unchecked(check, why)))
            continue
        if check.id not in memory.findings:
            finding = perform(site, check)
            if check.stage is Stage.DEPLOYED and finding.verdict is Verdict.TRUE:
                outputs = site.environment.api_outputs
                memory.facts["apis"] = {region: values["ApiId"] for region, values in outputs.items()}
            memory.findings[check.id] = asdict(finding)
            memory.save()
        findings.append(memory.findings[check.id])
    if not keep:
        for region, api in memory.facts.get("apis", {}).items():
            for group in leftovers.execution_logs(site.environment, region, api):
                site.environment.cloud.logs(region).delete_log_group(logGroupName=group)
    return findings


def _obstacle(check: Check, memory: Memory, *, keep: bool) -> str:
    """Why there is not what the check looks at; "" where there is."""
    if keep and check.stage > Stage.LIVE:
        return "the environment is kept (--keep)"
    if check.stage in (Stage.LIVE, Stage.LAST) and not _true("first-deployment", memory):
        return "the environment could not be deployed"
    if check.stage is Stage.AFTER and not _true("destroy-same-day", memory):
        return "the environment could not be removed"
    return ""


def _true(name: str, memory: Memory) -> bool:
    return bool(memory.findings.get(name, {}).get("verdict") == Verdict.TRUE)


def perform(site: Site, check: Check) -> Finding:
    """Run one check. Whatever it raises, except an interruption, becomes its verdict."""
    report = site.environment.report
    if site.local and check.not_local:
        return _unchecked(check, check.not_local)
    report.phase(f"Check {check.id}")
    began, moment = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    verdict, reason = Verdict.TRUE, ""
    with site.gathering() as start:
        try:
            check.run(site)
        except InterruptedRunError:
            raise
        except NotHereError as error:
            verdict, reason = Verdict.UNCHECKED, str(error)
        except ToolError as error:  # RefutedError is one
            verdict, reason = Verdict.FALSE, str(error)
            site.show(*(str(cause) for cause in getattr(error, "causes", ())))
        except (ClientError, BotoCoreError) as error:
            verdict, reason = Verdict.FALSE, str(explain(error))
        except Exception as error:  # noqa: BLE001 - a check that cannot be run has not shown its claim
            verdict, reason = Verdict.FALSE, f"{type(error).__name__}: {error}"
    finding = Finding(
        id=check.id,
        group=check.group,
        claim=check.claim,
        source=check.source,
        verdict=verdict,
        reason=site.masked(reason),
        evidence=tuple(site.masked(line) for line in site.evidence[-LINES:]),
        requests=site.requests_since(start),
        began=moment,
        seconds=round(time.monotonic() - began, 1),
    )
    report.note(f"{finding.verdict}: {check.id} ({finding.seconds:g} s)" + (f": {reason}" if reason else ""))
    return finding


def _unchecked(check: Check, why: str) -> Finding:
    return Finding(
        id=check.id,
        group=check.group,
        claim=check.claim,
        source=check.source,
        verdict=Verdict.UNCHECKED,
        reason=why,
        evidence=(),
        requests=(),
        began=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0.0,
    )


def _report(site: Site, findings: Sequence[dict[str, Any]], memory: Memory, seconds: float) -> dict[str, Any]:
    counts = Counter(finding["verdict"] for finding in findings)
    project, _, commit = version()
    data: Mapping[str, Any] = {
        "environment": memory.environment,
        "home": memory.home,
        "regions": site.regions,
        "local": site.local,
        "began": memory.began,
        "seconds": round(seconds, 1),
        "version": project,
        "commit": commit,
        "left": not _true("destroy-same-day", memory),
        "counts": {verdict.value: counts[verdict] for verdict in Verdict},
        "findings": findings,
    }
    plain: dict[str, Any] = json.loads(json.dumps(data, default=str))
    return plain


def clean(
    environment: Environment, of: Callable[[str], Environment], confirm: Callable[[Sequence[str]], bool]
) -> dict[str, list[str]]:
    """Remove what earlier runs left in the account; by environment, what could not be removed. `of` makes an
    environment of another name. Raises ToolError."""
    found = leftovers.suffixes(environment)
    others, own = {suffix: of(suffix) for suffix in found}, {run.environment for run in remembered(environment)}
    mine = {suffix: other for suffix, other in others.items() if leftovers.belongs(other, remembered=suffix in own)}
    for suffix in others.keys() - mine.keys():
        environment.report.note(f"nothing says that `payctl accept` made {suffix}: it is left alone")
    if mine and not confirm([f"remove environment {suffix} with all its payments" for suffix in mine]):
        raise ToolError("nothing was changed")
    left = {}
    for suffix, other in mine.items():
        left[suffix] = [str(each) for each in leftovers.remove(other)]
        if not left[suffix]:
            (FOLDER / f"{suffix}.json").unlink(missing_ok=True)
    return left
