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
# The name of a role may have a comma; in the function's variable that is where the next caller begins.
PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:(root|role/([\w+=,.@-]+/)*[\w+=.@-]+)", re.ASCII)
# Its requests are made below that path, so a query would be lost; whoever needs a name and a password has a secret.
PROCESSOR_URL = re.compile(
    r"(https://[A-Za-z0-9][A-Za-z0-9.-]{0,252}(:[1-9]\d{0,4})?|http://127\.0\.0\.1:\d{1,5})(/[\w.~-]+)*/?", re.ASCII
)
URL_LENGTH = 255
SECRET_NAME = re.compile(r"[\w/+=.@-]{0,200}", re.ASCII)
TAG_KEY, TAG_VALUE, TAGS = re.compile(r"[\w .:/=+@-]{1,128}"), re.compile(r"[\w .:/=+@-]{0,256}"), 40
MERCHANT = re.compile(r"[a-z][a-z0-9-]{0,31}")
DEFAULT_FILE = Path("deployment.toml")
PROCESSOR_KINDS = ("http", "stripe")
FILE_FORMATS = ("auto", "columns", "stripe")
STRIPE_KEY_HOURS = 24  # docs/processor.md, "Stripe"
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
    cells, units that the register may write a second (0: on demand), days, requests a second."""

    reserved_concurrency: int = 2
    janitor_concurrency: int = 5
    index_shards: int = 16
    register_writes: int = 0
    log_retention_days: int = 7
    api_rate: int = 200
    api_burst: int = 400

    @property
    def register_reads(self) -> int:
        """Units a second that go with `register_writes`: hardly anything is read while all is well, all three cells of
        each payment at every look while much waits, and pages of what is due at any time."""
        return max(50, self.register_writes // 2)


class Options(NamedTuple):
    """What an environment turns on."""

    protect: str | bool = "auto"
    alert_email: str = ""
    log_execution_data: bool = False


class Processor(NamedTuple):
    """The external payment processor; url "" settles by ledger entry; `kind` is what it speaks."""

    kind: str = "http"
    url: str = ""
    secret_name: str = ""
    deduplicates: bool = False
    key_lifetime_hours: int = 24


class ProcessorFile(NamedTuple):
    """How the processor's own file, a CSV, is read by `payctl reconcile --processor-file`: names of its columns. `only`
    is COLUMN=VALUE: other lines are no charges."""

    format: str = "auto"
    payment: str = ""
    reference: str = "reference"
    amount: str = "amount"
    currency: str = "currency"
    charged_at: str = ""
    minor_units: bool = False
    only: str = ""


class Functions(NamedTuple):
    """Memory (MB) and time-outs (seconds) of the functions of a Region."""

    processor_memory: int = 3072
    processor_timeout: int = 900
    health_memory: int = 256
    health_timeout: int = 10
    janitor_memory: int = 1769


class Janitor(NamedTuple):
    """How often it runs, in minutes, and how many payments it takes further at once."""

    every_minutes: int = 1
    at_once: int = 64


class Alarms(NamedTuple):
    """What is still good: an alarm fires above it."""

    lambda_error_percent: float = 0.1
    overdue_seconds: int = 300
    janitor_silent_minutes: int = 5
    dead_letters: int = 0
    parked_payments: int = 0
    table_replication_seconds: int = 30
    receipt_replication_seconds: int = 900
    receipts_pending: int = 1000


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
    processor_file: ProcessorFile = ProcessorFile()
    domain: Domain = Domain()
    functions: Functions = Functions()
    janitor: Janitor = Janitor()
    alarms: Alarms = Alarms()
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
    "processor_file": ProcessorFile,
    "domain": Domain,
    "functions": Functions,
    "janitor": Janitor,
    "alarms": Alarms,
}
# The least and the most of each number. AWS's own limits or more for what a quota may raise, but: the workflow gives
# the processor 60 seconds of work at once, and API Gateway waits 29 seconds for an answer about health.
RANGES: Mapping[str, tuple[float, float]] = {
    "limits.reserved_concurrency": (0, 100_000),
    "limits.api_rate": (1, 100_000),
    "limits.api_burst": (1, 100_000),
    "processor.key_lifetime_hours": (1, 87_600),
    "functions.processor_memory": (128, 10_240),
    "functions.processor_timeout": (120, 900),
    "functions.health_memory": (128, 10_240),
    "functions.health_timeout": (3, 29),
    "limits.janitor_concurrency": (1, JANITORS),
    "limits.index_shards": SHARDS,
    "limits.register_writes": (0, 40_000),
    "functions.janitor_memory": (128, 10_240),
    "janitor.every_minutes": (1, 5),
    "janitor.at_once": (1, 128),
    "alarms.lambda_error_percent": (0, 100),
    "alarms.overdue_seconds": (60, 86_400),
    "alarms.janitor_silent_minutes": (3, 60),
    "alarms.dead_letters": (0, 100_000),
    "alarms.parked_payments": (0, 100_000),
    "alarms.table_replication_seconds": (1, 3_600),
    "alarms.receipt_replication_seconds": (60, 86_400),
    "alarms.receipts_pending": (0, 1_000_000),
}


KINDS: Mapping[type, tuple[type, ...]] = {tuple: (list,), float: (float, int)}


def load(file: Path = DEFAULT_FILE, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the settings. Raises SettingsError; nothing is read beyond `file` and `environ`."""
    try:
        settings = _settings(tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise SettingsError(
            f"{file}: no such settings file; run from the project folder, name one with --settings, or have "
            "`payctl init` write one"
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
        kinds = KINDS.get(type(default), (type(default),)) if key != "protect" else (str, bool)
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
    """IAM tells keys apart without their case; every role has the fixed ones (Tagging best practices, "Tag naming
    limits")."""
    tags: dict[str, str] = _typed("tags", value, dict)
    taken = {key.casefold() for key in (*FIXED_TAGS, "Environment", "Name", "Region")}
    for key, tag in tags.items():
        _typed(f"tags.{key}", tag, str)
        if key.casefold() in taken:
            raise SettingsError(f"tags.{key} is set by the templates, or twice; choose another key")
        if not TAG_KEY.fullmatch(key) or key.casefold().startswith("aws:") or not TAG_VALUE.fullmatch(tag):
            raise SettingsError(
                f"tags.{key}: use 1 to 128 characters, not aws: first, and 256 for its value: letters, digits, blanks "
                "and _.:/=+-@"
            )
        taken.add(key.casefold())
    if len(tags) > TAGS:
        raise SettingsError(f"[tags] has {len(tags)}, at most {TAGS} fit")
    return tags


def principal(arn: str) -> str:
    """Of a role or account that signs, what the API learns: ACCOUNT/NAME without the role's path, or ACCOUNT."""
    account = arn.split(":")[4]
    return account if arn.endswith(":root") else f"{account}/{arn.rpartition('/')[2]}"


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
            raise SettingsError(
                f"{setting}: {arn!r} is not the ARN of a role without a comma in its name, or of an account (...:root)"
            )
        if owners.setdefault(principal(arn), setting) != setting:
            raise SettingsError(f"{setting}: {arn} may not belong to another caller too")
    return {name: tuple(arns) for name, arns in merchants.items()}


def _within(settings: Settings, name: str, least: float, most: float) -> tuple[bool, str]:
    table, key = name.split(".")
    value = getattr(getattr(settings, table), key)
    return least <= value <= most, f"{name} must be {least} to {most}, not {value}"


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
        (
            limits.log_retention_days in RETENTION_DAYS,
            f"limits.log_retention_days must be one of {', '.join(map(str, RETENTION_DAYS))}",
        ),
        (settings.options.protect in ("auto", True, False), 'options.protect must be "auto", true or false'),
        (
            not processor.url or (bool(PROCESSOR_URL.fullmatch(processor.url)) and len(processor.url) <= URL_LENGTH),
            f"processor.url must be https://HOST[:PORT][/PATH], of at most {URL_LENGTH} characters",
        ),
        (
            bool(SECRET_NAME.fullmatch(processor.secret_name)),
            "processor.secret_name: use at most 200 letters, digits and /_+=.@-",
        ),
        (bool(processor.url) or not processor.deduplicates, "processor.deduplicates needs processor.url"),
        (processor.kind in PROCESSOR_KINDS, f"processor.kind must be one of {', '.join(PROCESSOR_KINDS)}"),
        (
            processor.kind == "http" or processor.url,
            'processor.kind needs processor.url, which is "https://api.stripe.com" for "stripe"',
        ),
        (
            processor.kind != "stripe" or processor.key_lifetime_hours <= STRIPE_KEY_HOURS,
            f"processor.key_lifetime_hours must be at most {STRIPE_KEY_HOURS}: Stripe keeps a key no longer",
        ),
        (
            settings.processor_file.format in FILE_FORMATS,
            f"processor_file.format must be one of {', '.join(FILE_FORMATS)}",
        ),
        (
            bool(settings.processor_file.payment or settings.processor_file.reference),
            "processor_file.payment or processor_file.reference must name the column that says which payment it is",
        ),
        (
            bool(settings.processor_file.amount and settings.processor_file.currency),
            "processor_file.amount and processor_file.currency must each name a column",
        ),
        (
            not settings.processor_file.only or settings.processor_file.only.partition("=")[1],
            "processor_file.only must be COLUMN=VALUE",
        ),
        (bool(domain.name) == bool(domain.hosted_zone_id), "domain.name and domain.hosted_zone_id go together"),
        (
            len(domain.certificate_arns) in (0, len(settings.regions)),
            "domain.certificate_arns needs one certificate a Region, in rank order",
        ),
        (not settings.endpoint or re.match(r"https?://", settings.endpoint), "endpoint must be an http(s) address"),
        *(_within(settings, name, *limits) for name, limits in RANGES.items()),
        (
            settings.alarms.janitor_silent_minutes >= 3 * settings.janitor.every_minutes,
            "alarms.janitor_silent_minutes must be three times janitor.every_minutes or more",
        ),
    )
    for holds, message in rules:
        if not holds:
            raise SettingsError(message)
