"""The settings of one deployment: deployment.toml and the environment, checked, as one frozen value."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from builder.allowed import ENVIRONMENT, SettingsError, check, merchants_in, regions_in, tags_in, typed

DEFAULT_FILE = Path("deployment.toml")


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
    for variable in ("ENVIRONMENT_SUFFIX", "AWS_REGION"):
        if environ.get(variable) == "":  # by a script whose own is not set: it means another environment than dev
            raise SettingsError(f"{variable} is set, and empty: unset it, or give it a value")
    environment = environ.get("ENVIRONMENT_SUFFIX", settings.environment)
    if not ENVIRONMENT.fullmatch(environment):
        raise SettingsError(f"ENVIRONMENT_SUFFIX={environment!r}: use 1 to 16 of a-z, 0-9 and -, a letter first")
    home = environ.get("AWS_REGION", settings.home)
    if home not in settings.regions:
        raise SettingsError(f"AWS_REGION={home!r} is not among the Regions of {file} ({', '.join(settings.regions)})")
    return settings._replace(environment=environment, home=home)


def _settings(raw: Mapping[str, Any]) -> Settings:
    """The settings of a file, for the default environment. Raises SettingsError without the file's name."""
    known = {"regions", "endpoint", "tags", "merchants", *TABLES}
    if unknown := sorted(set(raw) - known):
        raise SettingsError(f"unknown setting {unknown[0]!r}; known are {', '.join(sorted(known))}")
    tables = {name: _table(name, kind, raw.get(name, {})) for name, kind in TABLES.items()}
    regions = regions_in(raw.get("regions"))
    endpoint = typed("endpoint", raw.get("endpoint", ""), str)
    tags, merchants = tags_in(raw.get("tags", {})), merchants_in(raw.get("merchants", {}), tables["accounts"].operators)
    settings = Settings("dev", regions[0], regions, endpoint, tags=tags, merchants=merchants, **tables)
    check(settings)
    return settings


def _table(name: str, kind: Any, value: Any) -> Any:
    if unknown := sorted(set(typed(name, value, dict)) - set(kind._fields)):
        raise SettingsError(f"unknown setting {name}.{unknown[0]}; known are {', '.join(kind._fields)}")
    fields = {}
    for key, field in value.items():
        default = kind._field_defaults[key]
        kinds = KINDS.get(type(default), (type(default),)) if key != "protect" else (str, bool)
        typed(f"{name}.{key}", field, *kinds)
        fields[key] = tuple(field) if isinstance(field, list) else field
    return kind(**fields)
