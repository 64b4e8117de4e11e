"""The settings of one deployment: deployment.toml and the environment, checked, as one frozen value."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{0,15}")
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")
DEFAULT_FILE = Path("deployment.toml")


class SettingsError(ValueError):
    """A setting is unknown, missing or wrong; the message names file, setting and remedy."""


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """Account ids are 12 digits; "" stands for the account of the credentials."""

    target: str = ""
    administration_role_arn: str = ""
    execution_role_name: str = ""
    access_role_arn: str = ""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Caps of one Region: concurrent executions, days, requests a second."""

    reserved_concurrency: int = 2
    log_retention_days: int = 7
    api_rate: int = 200
    api_burst: int = 400


@dataclass(frozen=True, kw_only=True)
class Options:
    """What an environment turns on."""

    protect: str | bool = "auto"
    alert_email: str = ""
    log_execution_data: bool = False


@dataclass(frozen=True, kw_only=True)
class Processor:
    """The external payment processor; url "" settles by ledger entry."""

    url: str = ""
    secret_name: str = ""
    deduplicates: bool = False
    key_lifetime_hours: int = 24


@dataclass(frozen=True, kw_only=True)
class Domain:
    """The custom domain; name "" is none. Certificates in rank order, none: they are made."""

    name: str = ""
    hosted_zone_id: str = ""
    certificate_arns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything a deployment is told. `regions` are in rank order."""

    environment: str
    home: str
    regions: tuple[str, ...]
    endpoint: str = ""
    accounts: Accounts = field(default_factory=Accounts)
    tags: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    options: Options = field(default_factory=Options)
    processor: Processor = field(default_factory=Processor)
    domain: Domain = field(default_factory=Domain)

    @property
    def protect(self) -> bool:
        """Whether the data of this environment is guarded against deletion."""
        if isinstance(self.options.protect, bool):
            return self.options.protect
        return self.environment.startswith("prod")


SECTIONS: Mapping[str, type] = {
    "accounts": Accounts,
    "limits": Limits,
    "options": Options,
    "processor": Processor,
    "domain": Domain,
}


def load(file: Path = DEFAULT_FILE, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the settings. Raises SettingsError; nothing is read beyond `file` and `environ`."""
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"{file}: no such settings file; run from the project folder or name one with --settings"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: not valid TOML: {error}") from None
    known = {"regions", "endpoint", "tags", *SECTIONS}
    if unknown := sorted(set(raw) - known):
        raise SettingsError(f"{file}: unknown setting {unknown[0]!r}; known are {', '.join(sorted(known))}")
    sections = {name: _section(file, name, kind, raw.get(name, {})) for name, kind in SECTIONS.items()}
    regions = _regions(file, raw.get("regions"))
    environment = environ.get("ENVIRONMENT_SUFFIX") or "dev"
    if not ENVIRONMENT.fullmatch(environment):
        raise SettingsError(f"ENVIRONMENT_SUFFIX={environment!r}: use 1 to 16 of a-z, 0-9 and -, a letter first")
    home = environ.get("AWS_REGION") or regions[0]
    if home not in regions:
        raise SettingsError(f"AWS_REGION={home!r} is not among the Regions of {file} ({', '.join(regions)})")
    settings = Settings(
        environment=environment,
        home=home,
        regions=regions,
        endpoint=_text(file, "endpoint", raw.get("endpoint", "")),
        tags=_tags(file, raw.get("tags", {})),
        **sections,
    )
    _check(file, settings)
    return settings


def _section(file: Path, name: str, kind: type, given: Any) -> Any:
    fields: Mapping[str, Any] = kind.__dataclass_fields__  # type: ignore[attr-defined]  # SECTIONS holds dataclasses only
    if not isinstance(given, dict):
        raise SettingsError(f"{file}: [{name}] must be a table")
    if unknown := sorted(set(given) - set(fields)):
        raise SettingsError(f"{file}: unknown setting {name}.{unknown[0]}; known are {', '.join(fields)}")
    for key, value in given.items():
        default = fields[key].default
        allowed = (str, bool) if key == "protect" else (list,) if isinstance(default, tuple) else (type(default),)
        if type(value) not in allowed:
            wanted = " or ".join(kind.__name__ for kind in allowed)
            raise SettingsError(f"{file}: {name}.{key} must be {wanted}, not {type(value).__name__}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in given.items()})


def _regions(file: Path, given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or len(given) != 3 or len(set(map(str, given))) != 3:
        raise SettingsError(
            f"{file}: regions must list three different Regions, home first (the register needs two of three)"
        )
    for region in given:
        if not isinstance(region, str) or not REGION.fullmatch(region):
            raise SettingsError(f"{file}: {region!r} in regions is not the name of an AWS Region")
    return tuple(given)


def _text(file: Path, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise SettingsError(f"{file}: {name} must be str, not {type(value).__name__}")
    return value


def _tags(file: Path, given: Any) -> dict[str, str]:
    if not isinstance(given, dict):
        raise SettingsError(f"{file}: [tags] must be a table")
    fixed = {"Environment", "Application", "CostCenter", "ManagedBy", "Name", "Region"}
    if taken := sorted(fixed & set(given)):
        raise SettingsError(f"{file}: tags.{taken[0]} is set by the templates; choose another key")
    return {key: _text(file, f"tags.{key}", value) for key, value in given.items()}


def _check(file: Path, settings: Settings) -> None:
    """What types cannot say; the first fault is raised."""
    accounts, limits, domain, processor = settings.accounts, settings.limits, settings.domain, settings.processor
    rules = (
        (
            not accounts.target or re.fullmatch(r"\d{12}", accounts.target),
            "accounts.target must be 12 digits",
        ),
        (
            not accounts.access_role_arn or accounts.access_role_arn.split(":")[4:5] == [accounts.target],
            "accounts.access_role_arn must be a role of the account accounts.target",
        ),
        (
            not accounts.administration_role_arn or ROLE.fullmatch(accounts.administration_role_arn),
            "accounts.administration_role_arn must be the ARN of a role",
        ),
        (limits.reserved_concurrency >= 0, "limits.reserved_concurrency must be 0 (unreserved) or more"),
        (
            limits.log_retention_days in RETENTION_DAYS,
            f"limits.log_retention_days must be one of {', '.join(map(str, RETENTION_DAYS))}",
        ),
        (limits.api_rate > 0 and limits.api_burst > 0, "limits.api_rate and limits.api_burst must be above 0"),
        (settings.options.protect in ("auto", True, False), 'options.protect must be "auto", true or false'),
        (
            not processor.url or processor.url.startswith(("https://", "http://127.0.0.1:")),
            "processor.url must begin with https://",
        ),
        (bool(processor.url) or not processor.deduplicates, "processor.deduplicates needs processor.url"),
        (processor.key_lifetime_hours > 0, "processor.key_lifetime_hours must be above 0"),
        (bool(domain.name) == bool(domain.hosted_zone_id), "domain.name and domain.hosted_zone_id go together"),
        (
            len(domain.certificate_arns) in (0, len(settings.regions)),
            "domain.certificate_arns needs one certificate a Region, in rank order",
        ),
        (not settings.endpoint or re.match(r"https?://", settings.endpoint), "endpoint must be an http(s) address"),
    )
    for holds, message in rules:
        if not holds:
            raise SettingsError(f"{file}: {message}")


# The values CloudWatch Logs takes (API reference of PutRetentionPolicy).
RETENTION_DAYS = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)
