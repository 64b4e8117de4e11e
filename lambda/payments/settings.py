"""The settings of a function, from its environment."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from payments.merchants import parse
from payments.protocol.ports import LEDGER


class Settings(NamedTuple):
    """`regions` in rank order; `rail` is LEDGER or the processor's address; `endpoint` "" is AWS itself; `merchants` as
    payments/merchants.py reads them; `kind` of processor: a module of payments/processors."""

    environment: str
    region: str
    regions: tuple[str, ...]
    account: str
    rail: str
    secret: str
    deduplicates: bool
    key_lifetime: int
    bucket: str
    bus: str
    state_machine: str
    endpoint: str
    test_faults: bool
    merchants: Mapping[str, str] = {}
    kind: str = "http"
    janitors: int = 1
    """How many runs of the janitor there may be at once."""
    shards: int = 16
    dead_letters: str = ""
    """The address of this Region's dead-letter queue."""

    @property
    def janitor(self) -> str:
        """The name of this Region's janitor."""
        return f"payment-janitor-{self.region}-{self.environment}"

    @property
    def table(self) -> str:
        return f"payments-{self.environment}"

    def register(self, region: str) -> str:
        """The name of a Region's register table."""
        return register(region, self.environment)


def register(region: str, environment: str) -> str:
    """The name of a Region's register table."""
    return f"payment-register-{region}-{environment}"


def read(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this function; KeyError names a variable that the template forgot."""
    return Settings(
        environment=environ["ENVIRONMENT"],
        region=environ["AWS_REGION"],
        regions=tuple(environ["REGIONS"].split(",")),
        account=environ["ACCOUNT"],
        rail=environ.get("RAIL") or LEDGER,
        secret=environ.get("PROCESSOR_SECRET", ""),
        deduplicates=environ.get("PROCESSOR_DEDUPLICATES") == "true",
        key_lifetime=int(environ.get("PROCESSOR_KEY_HOURS") or 24) * 3600,
        bucket=environ["BUCKET"],
        bus=environ["BUS"],
        state_machine=environ["STATE_MACHINE"],
        endpoint=environ.get("AWS_ENDPOINT_URL", ""),
        test_faults=environ.get("TEST_FAULTS") == "true",
        merchants=parse(environ.get("MERCHANTS", "")),
        kind=environ.get("PROCESSOR_KIND") or "http",
        janitors=int(environ.get("JANITORS") or 1),
        shards=int(environ.get("INDEX_SHARDS") or 16),
        dead_letters=environ.get("DEAD_LETTERS", ""),
    )
