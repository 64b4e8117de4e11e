"""The settings of one deployment: deployment.toml and the environment, checked, as one frozen value."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from builder.names import FIXED_TAGS

ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{0,15}")
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")
PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:(root|role/[\w+=,.@/-]+)", re.ASCII)
MERCHANT = re.compile(r"[a-z][a-z0-9-]{0,31}")
DEFAULT_FILE = Path("deployment.toml")
SHARDS = (16, 64)
"""Of the index of overdue cells. The janitor looks at as many as there may be."""
JANITORS = SHARDS[1]

# The values CloudWatch Logs takes (API reference of PutRetentionPolicy).
# fmt: off
RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288,
                  3653)
# fmt: on


class SettingsError(ValueError):
    """A setting is unknown, missing or wrong; the message names file, setting and remedy."""


class Accounts(NamedTuple):
    """Account ids are 12 digits; "" stands for the account of the credentials. `operators` are roles or accounts, by
    ARN, that may use the API beside merchants, and for them."""

    target: str = ""
    administration_role_arn: str = ""
    execution_role_name: str = ""
    access_role_arn: str = ""
    operators: tuple[str, ...] = ()


class Limits(NamedTuple):
    """Caps of one Region: concurrent executions of the processor and of the janitor, shards of the index of overdue
    cells, days, requests a second."""

    reserved_concurrency: int = 2
    janitor_concurrency: int = 5
    index_shards: int = 16
    log_retention_days: int = 7
    api_rate: int = 200
    api_burst: int = 400


class Options(NamedTuple):
    """What an environment turns on."""

    protect: str | bool = "auto"
    alert_email: str = ""
    log_execution_data: bool = False


class Processor(NamedTuple):
    """The external payment processor; url "" settles by ledger entry."""

    url: str = ""
    secret_name: str = ""
    deduplicates: bool = False
    key_lifetime_hours: int = 24


class Domain(NamedTuple):
    """The custom domain; name "" is none. Certificates in rank order; without any, they are made."""

    name: str = ""
    hosted_zone_id: str = ""
    certificate_arns: tuple[str, ...] = ()


class Settings(NamedTuple):
    """All settings of a deployment. `regions` are in rank order; `merchants` are ARNs of roles or accounts by name."""

    environment: str
    home: str
    regions: tuple[str, ...]
    endpoint: str = ""
    accounts: Accounts = Accounts()
    tags: Mapping[str, str] = {}
    limits: Limits = Limits()
    options: Options = Options()
    processor: Processor = Processor()
    domain: Domain = Domain()
    merchants: Mapping[str, tuple[str, ...]] = {}

    @property
    def protect(self) -> bool:
        """Whether the data of this environment is guarded against deletion."""
        if isinstance(self.options.protect, bool):
            return self.options.protect
        return self.environment.startswith("prod")


TABLES: Mapping[str, Any] = {
    "accounts": Accounts,
    "limits": Limits,
    "options": Options,
    "processor": Processor,
    "domain": Domain,
}


def load(file: Path = DEFAULT_FILE, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the settings. Raises SettingsError; nothing is read beyond `file` and `environ`."""
    try:
        settings = _settings(tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise SettingsError(
            f"{file}: no such settings file; run from the project folder or name one with --settings"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: not valid TOML: {error}") from None
    except SettingsError as error:
        raise SettingsError(f"{file}: {error}") from None
    environment = environ.get("ENVIRONMENT_SUFFIX") or settings.environment
    if not ENVIRONMENT.fullmatch(environment):
        raise SettingsError(f"ENVIRONMENT_SUFFIX={environment!r}: use 1 to 16 of a-z, 0-9 and -, a letter first")
    home = environ.get("AWS_REGION") or settings.home
    if home not in settings.regions:
        raise SettingsError(f"AWS_REGION={home!r} is not among the Regions of {file} ({', '.join(settings.regions)})")
    return settings._replace(environment=environment, home=home)


def _settings(raw: Mapping[str, Any]) -> Settings:
    """The settings of a file, for the default environment. Raises SettingsError without the file's name."""
    known = {"regions", "endpoint", "tags", "merchants", *TABLES}
    if unknown := sorted(set(raw) - known):
        raise SettingsError(f"unknown setting {unknown[0]!r}; known are {', '.join(sorted(known))}")
    tables = {name: _table(name, kind, raw.get(name, {})) for name, kind in TABLES.items()}
    regions = _regions(raw.get("regions"))
    endpoint = _typed("endpoint", raw.get("endpoint", ""), str)
    tags, merchants = _tags(raw.get("tags", {})), _merchants(raw.get("merchants", {}), tables["accounts"].operators)
    settings = Settings("dev", regions[0], regions, endpoint, tags=tags, merchants=merchants, **tables)
    _check(settings)
    return settings


def _table(name: str, kind: Any, value: Any) -> Any:
    if unknown := sorted(set(_typed(name, value, dict)) - set(kind._fields)):
        raise SettingsError(f"unknown setting {name}.{unknown[0]}; known are {', '.join(kind._fields)}")
    fields = {}
    for key, field in value.items():
        default = kind._field_defaults[key]
        kinds = (str, bool) if key == "protect" else (list,) if isinstance(default, tuple) else (type(default),)
        _typed(f"{name}.{key}", field, *kinds)
        fields[key] = tuple(field) if isinstance(field, list) else field
    return kind(**fields)


def _typed(name: str, value: Any, *kinds: type) -> Any:
    """The value, if its type is one of these. `type` itself, for True is an int to isinstance."""
    if type(value) not in kinds:
        if kinds == (dict,):
            raise SettingsError(f"[{name}] must be a table")
        raise SettingsError(f"{name} must be {' or '.join(k.__name__ for k in kinds)}, not {type(value).__name__}")
    return value


def _regions(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) != 3 or len(set(map(str, value))) != 3:
        raise SettingsError("regions must list three different Regions, home first (the register needs two of three)")
    for region in value:
        if not isinstance(region, str) or not REGION.fullmatch(region):
            raise SettingsError(f"{region!r} in regions is not the name of an AWS Region")
    return tuple(value)


def _tags(value: Any) -> dict[str, str]:
    tags: dict[str, str] = _typed("tags", value, dict)
    if taken := sorted({*FIXED_TAGS, "Environment", "Name", "Region"} & set(tags)):
        raise SettingsError(f"tags.{taken[0]} is set by the templates; choose another key")
    for key, tag in tags.items():
        _typed(f"tags.{key}", tag, str)
    return tags


def _merchants(value: Any, operators: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    merchants = _typed("merchants", value, dict)
    for name in merchants:
        if not MERCHANT.fullmatch(name) or sum(map(str.isdigit, name)) > 4:
            raise SettingsError(f"merchants.{name}: use 1 to 32 of a-z, 0-9 and -, a letter first, at most 4 digits")
    callers = {f"merchants.{name}": _typed(f"merchants.{name}", arns, list) for name, arns in merchants.items()}
    callers["accounts.operators"] = list(operators)
    owners: dict[str, str] = {}
    for setting, arn in ((setting, arn) for setting, arns in callers.items() for arn in arns):
        if not isinstance(arn, str) or not PRINCIPAL.fullmatch(arn):
            raise SettingsError(f"{setting}: {arn!r} is not the ARN of a role, or of an account (...:root)")
        # Of a role that signs, the API learns account and name only.
        if owners.setdefault(f"{arn.split(':')[4]}/{arn.rpartition('/')[2]}", setting) != setting:
            raise SettingsError(f"{setting}: {arn} may not belong to another caller too")
    return {name: tuple(arns) for name, arns in merchants.items()}


def _check(settings: Settings) -> None:
    """What types do not cover. Raises SettingsError for the first fault."""
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
            1 <= limits.janitor_concurrency <= JANITORS,
            f"limits.janitor_concurrency must be 1 to {JANITORS}: a scheduled run, and helpers that share the shards",
        ),
        (
            SHARDS[0] <= limits.index_shards <= SHARDS[1],
            f"limits.index_shards must be {SHARDS[0]} to {SHARDS[1]}",
        ),
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
            raise SettingsError(message)
