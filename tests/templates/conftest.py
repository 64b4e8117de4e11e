"""The committed templates, raw and as each Region will see them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from builder.lint.evaluate import ACCOUNT, Resolved, resolve
from builder.lint.templates import TOLD
from builder.settings import load

ROOT = Path(__file__).parents[2]
SETTINGS = load(ROOT / "deployment.toml", {})
REGIONS = SETTINGS.regions
KEY_ARNS = ",".join(f"arn:aws:kms:{region}:{ACCOUNT}:key/Key-{region}" for region in REGIONS)
STREAMS = {
    f"StreamArn{rank}": f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/payments-dev/stream/0"
    for rank, region in enumerate(REGIONS)
}
GIVEN: dict[str, str | int] = {"EnvironmentSuffix": "dev", "CodeHash": "0" * 64, "CodeVersions": "first,second,third"}


def regional(templates: Mapping[str, Any], **parameters: str | int) -> dict[str, Resolved]:
    template = templates["regional"]
    given: dict[str, str | int] = GIVEN | parameters
    return {region: resolve(template, region=region, **given) for region in REGIONS}


@pytest.fixture(scope="session")
def templates() -> dict[str, Any]:
    names = ("regional", "global", "bootstrap")
    return {name: json.loads((ROOT / "templates" / f"{name}.json").read_text()) for name in names}


@pytest.fixture(scope="session")
def unlinked(templates: dict[str, Any]) -> dict[str, Resolved]:
    """What phase 1 makes in each Region."""
    return regional(templates)


@pytest.fixture(scope="session")
def linked(templates: dict[str, Any]) -> dict[str, Resolved]:
    """What each Region holds in the end, with an external processor."""
    processor = {"ProcessorUrl": "https://processor.example", "ProcessorCredentialName": "processor-key"}
    return regional(templates, KeyArns=KEY_ARNS, **STREAMS, **processor)


@pytest.fixture(scope="session")
def with_domain(templates: dict[str, Any]) -> dict[str, Resolved]:
    domain = {"DomainName": "pay.example.com", "HostedZoneId": "Z0000000000000000000"}
    return regional(templates, KeyArns=KEY_ARNS, **STREAMS, **domain)


@pytest.fixture(scope="session")
def spanning(templates: dict[str, Any]) -> Resolved:
    """The global stack."""
    return resolve(templates["global"], region=REGIONS[0], EnvironmentSuffix="dev", KeyArns=KEY_ARNS)


@pytest.fixture(scope="session")
def bootstrap(templates: dict[str, Any]) -> dict[str, Resolved]:
    return {region: resolve(templates["bootstrap"], region=region, **TOLD) for region in REGIONS}


@pytest.fixture(params=REGIONS)
def stack(request: pytest.FixtureRequest, linked: dict[str, Resolved]) -> Resolved:
    """One linked Region after the other."""
    return linked[request.param]


@pytest.fixture(scope="session")
def regions() -> tuple[str, ...]:
    return REGIONS
