"""Writes docs/settings.md: every setting of deployment.toml, with its default and what is allowed.

Run it as `python docs/settings.py FILE`. What a setting is, deployment.toml says; the rest is builder/settings.py.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from builder.allowed import FILE_FORMATS, RANGES, REGIONS, RETENTION_DAYS
from builder.settings import TABLES

FILE: Final = Path(__file__).parents[1] / "deployment.toml"
LINE: Final = re.compile(r"^(?:# )?(\w+) = (.*?)\s+# (.*)$")
# What is allowed, where neither a range nor the type says it.
ALLOWED: Final = {
    "accounts.target": "12 digits",
    "accounts.administration_role_arn": "the ARN of a role",
    "accounts.execution_role_name": "the name of a role",
    "accounts.access_role_arn": "the ARN of a role of accounts.target",
    "accounts.operators": "ARNs of roles or accounts",
    "limits.log_retention_days": ", ".join(map(str, RETENTION_DAYS)),
    "options.protect": '"auto", true, false',
    "options.alert_email": "an e-mail address",
    "processor.url": "an address that begins with https://, without user or query",
    "processor.secret_name": "the name of a secret",
    **{f"processor_file.{name}": "the name of a column" for name in ("amount", "currency")},
    **{f"processor_file.{name}": "the name of a column, or none" for name in ("payment", "reference", "charged_at")},
    "processor_file.format": ", ".join(f'"{each}"' for each in FILE_FORMATS),
    "processor_file.only": "none, or COLUMN=VALUE",
    "domain.name": "a domain name in small letters",
    "domain.hosted_zone_id": "the id of a public hosted zone",
    "domain.certificate_arns": "none, or one a Region",
}
HEAD: Final = f"""# Settings

After this page you can set up an environment the way you need it.

What is in [deployment.toml](../deployment.toml). Another value than is allowed is refused by `payctl` and by
`make templates`, in one line and before anything is changed. `--settings FILE` names another file. Made by `make docs`.

`ENVIRONMENT_SUFFIX` (default `dev`) and `AWS_REGION` (home, default the first of `regions`) come from the environment.
`regions`, `[merchants]` and the tables `[functions]`, `[janitor]` and `[alarms]` are part of the templates: after a
change run `make templates`, or without a checkout `payctl init`. All else counts at the next `payctl deploy`.

| setting | default | allowed | what it is |
|---|---|---|---|
| `regions` | `["us-east-1", "eu-west-1", "ap-southeast-1"]` | three of {", ".join(REGIONS)}, home first | \
fixed for the life of an environment |
| `endpoint` | `""` | an http(s) address | where AWS calls go; "" is AWS itself |
| `[merchants]` | none | ARNs by name | [who may call](design.md#merchants), each with payments of its own |
| `[tags]` | none | text by key | added to the [fixed ones](design.md#tags) |
"""


def page() -> str:
    """The whole page."""
    meanings = dict(_meanings(FILE.read_text(encoding="utf-8")))
    if untold := sorted({f"{table}.{key}" for table, kind in TABLES.items() for key in kind._fields} - set(meanings)):
        raise SystemExit(f"{FILE.name} does not say what {untold[0]} is")
    rows = []
    for table, kind in TABLES.items():
        for key, default in kind._field_defaults.items():
            name = f"{table}.{key}"
            rows.append(f"| `{name}` | `{_toml(default)}` | {_allowed(name, default)} | {meanings[name]} |\n")
    return HEAD + "".join(rows)


def _allowed(name: str, default: Any) -> str:
    if name in RANGES:
        return "{:,} to {:,}".format(*RANGES[name])
    return ALLOWED[name] if name in ALLOWED else "true, false" if isinstance(default, bool) else "text"


def _toml(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def _meanings(text: str) -> Iterator[tuple[str, str]]:
    """The comment behind each setting. Raises SystemExit for a setting whose value there is not its default."""
    table = ""
    for line in text.splitlines():
        if line.startswith("["):
            table = line[1 : line.index("]")]
        elif found := LINE.match(line):
            name, value, meaning = found.groups()
            if table in TABLES:
                if (default := _toml(TABLES[table]._field_defaults.get(name))) != value:
                    raise SystemExit(f"{FILE.name}: {table}.{name} is {value}, its default {default}")
                yield f"{table}.{name}", meaning


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
