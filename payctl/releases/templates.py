"""The built templates with their parameters and tags: what an environment shall be."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.names import FIXED_TAGS
from builder.settings import Settings
from payctl.releases import sources
from stacksets.errors import ToolError
from stacksets.model import Definition

FOLDER = Path("templates")
# Bytes that CloudFormation takes inline; above, it reads the template from S3 (docs/aws.md, "Size limits of templates")
BODY_LIMIT = 51_200


@dataclass(frozen=True, kw_only=True)
class Template:
    """One of templates/*.json; `text` is the same without its blanks."""

    name: str
    text: str
    document: Mapping[str, Any]

    @property
    def inline(self) -> bool:
        """Whether it fits into a request."""
        return len(self.text.encode()) <= BODY_LIMIT

    @property
    def key(self) -> str:
        """Where it lies in an artifact bucket."""
        return f"templates/{self.name}-{hashlib.sha256(self.text.encode()).hexdigest()}.json"


def read(name: str, folder: Path | None = None) -> Template:
    """Read NAME.json of a folder, or of what is deployed from here. Raises ToolError where there is no template."""
    file = (folder or sources.templates()) / f"{name}.json"
    try:
        return parse(name, file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ToolError(f"{file}: no such template", remedy="run `make templates` in the project folder") from None
    except ValueError as error:
        raise ToolError(f"{file}: not valid JSON: {error}", remedy="run `make templates`") from None


def parse(name: str, text: str) -> Template:
    """A template from its text. Raises ValueError where it is none."""
    document = json.loads(text)
    return Template(name=name, text=json.dumps(document, separators=(",", ":")), document=document)


def definition(template: Template, url: str, parameters: Mapping[str, str], tags: Mapping[str, str]) -> Definition:
    """What to hand to CloudFormation. Raises ToolError where the template wants other parameters."""
    declared = template.document.get("Parameters", {})
    required = {name for name, parameter in declared.items() if "Default" not in parameter}
    if wrong := sorted((set(parameters) - set(declared)) | (required - set(parameters))):
        raise ToolError(
            f"templates/{template.name}.json and payctl disagree on the parameter {wrong[0]}",
            remedy="run `make templates` with the builder of the same version",
        )
    body = template.text if template.inline else ""
    return Definition(body=body, url="" if body else url, parameters=parameters, tags=tags)


def regional_parameters(
    settings: Settings,
    *,
    code_hash: str,
    code_versions: str = "",
    key_arns: Sequence[str] = (),
    test_faults: bool = False,
) -> dict[str, str]:
    """The parameters of regional.json; without key ARNs the Regions are not linked."""
    limits, options, processor, domain = settings.limits, settings.options, settings.processor, settings.domain
    return {
        "EnvironmentSuffix": settings.environment,
        "HomeRegion": settings.home,
        "Protect": _flag(settings.protect),
        "CodeHash": code_hash,
        "CodeVersions": code_versions,
        "ReservedConcurrency": str(limits.reserved_concurrency),
        "JanitorConcurrency": str(limits.janitor_concurrency),
        "IndexShards": str(limits.index_shards),
        "RegisterWrites": str(limits.register_writes),
        "RegisterReads": str(limits.register_reads),
        "LogRetentionDays": str(limits.log_retention_days),
        "LogExecutionData": _flag(options.log_execution_data),
        "AlertEmail": options.alert_email,
        "ApiRate": str(limits.api_rate),
        "ApiBurst": str(limits.api_burst),
        "ProcessorUrl": processor.url,
        "ProcessorKind": processor.kind,
        "ProcessorCredentialName": processor.secret_name,
        "ProcessorDeduplicates": _flag(processor.deduplicates),
        "ProcessorKeyLifetimeHours": str(processor.key_lifetime_hours),
        "KeyArns": ",".join(key_arns),
        "DomainName": domain.name,
        "HostedZoneId": domain.hosted_zone_id,
        "CertificateArns": ",".join(domain.certificate_arns),
        "Intake": "on",
        "TestFaults": _flag(test_faults),
    }


def global_parameters(settings: Settings, key_arns: Sequence[str], *, absent: str = "") -> dict[str, str]:
    """The parameters of global.json; `absent` is the Region whose replica is dropped for now."""
    return {
        "EnvironmentSuffix": settings.environment,
        "Protect": _flag(settings.protect),
        "KeyArns": ",".join(key_arns),
        "AbsentReplica": absent,
    }


def tags(settings: Settings) -> dict[str, str]:
    """The tags of the StackSet and the stacks, which CloudFormation passes on to what they make."""
    return {
        **settings.tags,
        **FIXED_TAGS,
        "Environment": settings.environment,
    }


def _flag(value: bool) -> str:
    return "true" if value else "false"
