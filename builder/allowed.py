"""What settings may be: patterns, ranges, and what none of them covers alone."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from builder.names import FIXED_TAGS

if TYPE_CHECKING:
    from builder.settings import Settings

ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{0,15}")
# Those that every account of the partition `aws` has from the beginning (docs/aws.md, "Deliveries to other Regions").
# fmt: off
REGIONS = ("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "eu-central-1", "eu-west-1",
           "eu-west-2", "eu-west-3", "eu-north-1", "ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
           "ap-southeast-1", "ap-southeast-2")
# fmt: on
ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")
# The name of a role may have a comma; in the function's variable that is where the next caller begins.
PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:(root|role/([\w+=,.@-]+/)*[\w+=.@-]+)", re.ASCII)
# Its requests are made below that path, so a query would be lost; whoever needs a name and a password has a secret.
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PORT = r":([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"
PROCESSOR_URL = re.compile(
    rf"(https://{_LABEL}(\.{_LABEL})*\.?({_PORT})?|http://127\.0\.0\.1{_PORT})(/[\w.~-]+)*/?", re.ASCII
)
URL_LENGTH = 255
SECRET_NAME = re.compile(r"[\w/+=.@-]{0,200}", re.ASCII)
TAG_KEY, TAG_VALUE, TAGS = re.compile(r"[\w .:/=+@-]{1,128}"), re.compile(r"[\w .:/=+@-]{1,256}"), 40
DOMAIN_TAGS = 4
"""Beside the six of the templates, on the health check of a domain (docs/aws.md, "Tags of a health check")."""
# As Route 53 compares names with a policy's; API Gateway takes no capitals either.
DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")
DOMAIN_LENGTH = 253
# Without the path before it, which some commands print: the ARN in the execution role's rights would not be the zone's.
HOSTED_ZONE = re.compile(r"Z[A-Z0-9]{0,31}")
CERTIFIED_LENGTH = 64
"""Of a name that ACM makes a certificate of (API reference, RequestCertificate)."""
MERCHANT = re.compile(r"[a-z][a-z0-9-]{0,31}")
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


def typed(name: str, value: Any, *kinds: type) -> Any:
    """The value, if its type is one of these: `type` itself, for True is an int to isinstance. Raises SettingsError."""
    if type(value) not in kinds:
        if kinds == (dict,):
            raise SettingsError(f"[{name}] must be a table")
        raise SettingsError(f"{name} must be {' or '.join(k.__name__ for k in kinds)}, not {type(value).__name__}")
    return value


def regions_in(value: Any) -> tuple[str, ...]:
    """The Regions, in rank order. Raises SettingsError."""
    if not isinstance(value, list) or len(value) != 3 or len(set(map(str, value))) != 3:
        raise SettingsError("regions must list three different Regions, home first (the register needs two of three)")
    for region in value:
        if region not in REGIONS:
            raise SettingsError(
                f"{region!r} in regions is not among those that AWS enables by default: alarms would not arrive from "
                f"others; choose of {', '.join(REGIONS)}"
            )
    return tuple(value)


def tags_in(value: Any) -> dict[str, str]:
    """The tags. IAM tells keys apart without their case, and every role has the fixed ones (Tagging best practices,
    "Tag naming limits"). Raises SettingsError."""
    tags: dict[str, str] = typed("tags", value, dict)
    taken = {key.casefold() for key in (*FIXED_TAGS, "Environment", "Name", "Region")}
    for key, tag in tags.items():
        typed(f"tags.{key}", tag, str)
        if key.casefold() in taken:
            raise SettingsError(f"tags.{key} is set by the templates, or twice; choose another key")
        if not TAG_KEY.fullmatch(key) or key.casefold().startswith("aws:") or not TAG_VALUE.fullmatch(tag):
            raise SettingsError(
                f"tags.{key}: use 1 to 128 characters, not aws: first, and 1 to 256 for its value: letters, digits, "
                "blanks and _.:/=+-@"
            )
        taken.add(key.casefold())
    if len(tags) > TAGS:
        raise SettingsError(f"[tags] has {len(tags)}, at most {TAGS} fit")
    return tags


def principal(arn: str) -> str:
    """Of a role or account that signs, what the API learns: ACCOUNT/NAME without the role's path, or ACCOUNT."""
    account = arn.split(":")[4]
    return account if arn.endswith(":root") else f"{account}/{arn.rpartition('/')[2]}"


def merchants_in(value: Any, operators: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The callers of each merchant, none of them another's or an operator. Raises SettingsError."""
    merchants = typed("merchants", value, dict)
    for name in merchants:
        if not MERCHANT.fullmatch(name) or sum(map(str.isdigit, name)) > 4:
            raise SettingsError(f"merchants.{name}: use 1 to 32 of a-z, 0-9 and -, a letter first, at most 4 digits")
    callers = {f"merchants.{name}": typed(f"merchants.{name}", arns, list) for name, arns in merchants.items()}
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


def _within(settings: "Settings", name: str, least: float, most: float) -> tuple[bool, str]:
    table, key = name.split(".")
    value = getattr(getattr(settings, table), key)
    return least <= value <= most, f"{name} must be {least} to {most}, not {value}"


def check(settings: "Settings") -> None:
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
            not domain.name or (bool(DOMAIN.fullmatch(domain.name)) and len(domain.name) <= DOMAIN_LENGTH),
            "domain.name must be a domain name in small letters, without a dot at its end",
        ),
        (
            not domain.hosted_zone_id or bool(HOSTED_ZONE.fullmatch(domain.hosted_zone_id)),
            "domain.hosted_zone_id must be the id alone, such as Z0123456789ABCDEFGHIJ",
        ),
        (
            bool(domain.certificate_arns) or len(domain.name) <= CERTIFIED_LENGTH,
            f"domain.name must have at most {CERTIFIED_LENGTH} characters, or domain.certificate_arns certificates",
        ),
        (
            not domain.name or len(settings.tags) <= DOMAIN_TAGS,
            f"[tags] has {len(settings.tags)}, with domain.name at most {DOMAIN_TAGS} fit: a health check of Route 53 "
            "takes ten, six of which the templates set",
        ),
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
