"""The functions' own register code, driven by the operator: what is parked, rulings, and registers that come back.

It is the same code that the functions run (lambda/payments/operations.py), against the same three tables.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from stacksets.cloud import together
from stacksets.data import GONE, SHARDS
from stacksets.environment import Environment
from stacksets.errors import PayctlError, code_of, failure

# lambda/ is no package and no dependency: it is what the functions unpack (`lambda` is a keyword, too).
sys.path.append(str(Path(__file__).parents[1] / "lambda"))

from payments import operations, record
from payments.attributes import plain
from payments.aws import Aws, Credentials
from payments.operations import Done, Ruling, Standing
from payments.ports import LEDGER, Context, Flow
from payments.settings import Settings
from payments.store import BARRED_SECONDS, Driver

__all__ = ["Done", "Registers", "Ruling", "Standing", "plain", "record"]

FLOW_SECONDS = 20.0
AT_ONCE = 4  # payments; each asks three Regions
Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True)
class Rejoined:
    """What a register was taught: payments by what is said of them, and those that could not be taught yet."""

    taught: int
    refused: dict[str, str]


class Registers:
    """The three register tables of an environment, and the processor that its settings name."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment

    @cached_property
    def _parameters(self) -> dict[str, str]:
        """What is deployed decides the rail, not what the settings file says by now."""
        held = self.environment.stack_set.describe()
        if held is None:
            raise PayctlError(f"{self.environment.names.stack_set} does not exist", remedy="see `payctl status`")
        return dict(held.parameters)

    def settings(self, region: str) -> Settings:
        """What the function of a Region would be told."""
        environment, names, given = self.environment, self.environment.names, self._parameters
        return Settings(
            environment=environment.settings.environment,
            region=region,
            regions=environment.regions,
            account=environment.cloud.account,
            rail=given.get("ProcessorUrl") or LEDGER,
            secret=given.get("ProcessorSecretName", ""),
            deduplicates=given.get("ProcessorDeduplicates") == "true",
            key_lifetime=int(given.get("ProcessorKeyLifetimeHours") or 24) * 3600,
            bucket=names.receipts(region),
            bus="",
            state_machine=names.state_machine(region),
            endpoint=environment.cloud.endpoint,
            test_faults=False,
        )

    def context(self, region: str = "") -> Context:
        """Where a flow runs: the home Region unless another is named."""
        here = self.settings(region or self.environment.home)
        return Context(
            region=here.region,
            regions=here.regions,
            rail=here.rail,
            deduplicates=here.deduplicates,
            key_lifetime=here.key_lifetime,
            now=lambda: int(time.time()),
            draw=lambda sides: int.from_bytes(os.urandom(8)) % sides,
            token=lambda: os.urandom(16).hex(),
        )

    def run(self, flow: Flow[Answer], region: str = "") -> Answer:
        """Drive a flow of the functions' code. What does not answer is LOST to it, never an error."""
        return self._driver(region or self.environment.home).run(flow, FLOW_SECONDS)

    def _driver(self, region: str) -> Driver:
        if region not in self._drivers:
            keys = self.environment.cloud.target_keys()
            note = self.environment.report.note

            def log(what: str, **fields: Any) -> None:
                note(f"{what}: {', '.join(f'{name} {value}' for name, value in fields.items())}")

            aws = Aws(Credentials(*keys), self.environment.cloud.endpoint)
            self._drivers[region] = Driver(self.settings(region), aws, log, operator=True)
        return self._drivers[region]

    @cached_property
    def _drivers(self) -> dict[str, Driver]:
        return {}

    def due(self, region: str) -> list[str]:
        """The payments that a Region's register still has to finish, overdue or not. Read only."""
        paginator = self.environment.cloud.dynamodb(region).get_paginator("query")

        def shard(digit: str) -> list[str]:
            pages = paginator.paginate(
                TableName=self.environment.names.register(region),
                IndexName="due",
                KeyConditionExpression="due_shard = :shard",
                ExpressionAttributeValues={":shard": {"S": digit}},
            )
            return [item["TransactionId"]["S"] for page in pages for item in page["Items"]]

        return [payment for found in together(shard, SHARDS).values() for payment in found]

    def payments(self, region: str) -> Iterator[str]:
        """Every payment that a Region's register holds. Read only."""
        table = self.environment.names.register(region)
        pages = (
            self.environment.cloud.dynamodb(region)
            .get_paginator("scan")
            .paginate(TableName=table, ProjectionExpression="TransactionId", ConsistentRead=True)
        )
        try:
            for page in pages:
                for item in page["Items"]:
                    if not item["TransactionId"]["S"].startswith(":"):  # no payment's id begins so
                        yield item["TransactionId"]["S"]
        except ClientError as error:
            raise failure("read", f"table {table} in {region}", error) from error

    def inspect(self, payment: str) -> Standing:
        """Where a payment stands. Read only."""
        return self.run(operations.inspect(self.context(), payment))

    def parked(self) -> list[Standing]:
        """The payments that wait for the processor or for an operator. A Region that does not answer is noted."""

        def due(region: str) -> list[str]:
            try:
                return self.due(region)
            except ClientError as error:
                if code_of(error) not in GONE:
                    raise
                self.environment.report.note(f"{region}: no register: it is asked no more")
                return []

        payments = sorted({payment for found in self.environment.cloud.everywhere(due).values() for payment in found})
        return [standing for standing in self._each(self.inspect, payments) if standing.parked]

    def resolve(self, payment: str, ruling: Ruling) -> Done:
        """Close a payment that is in doubt, as the operator rules, unless the processor says otherwise."""
        return self.run(operations.resolve(self.context(), payment, ruling))

    def bar(self, region: str) -> None:
        """Have nobody ask a register that was lost. Raises PayctlError unless both others know it."""
        self._done(operations.bar(self.context(self._other(region)), region), region)

    def unbar(self, region: str) -> None:
        """Have it asked again."""
        self._done(operations.unbar(self.context(self._other(region)), region), region)

    def rejoin(self, region: str) -> Rejoined:
        """Teach a register every payment that either of the others holds; it serves only after the last of them."""
        self.bar(region)
        peers = [other for other in self.environment.regions if other != region]
        payments = sorted({payment for peer in peers for payment in self.payments(peer)})
        context = self.context(peers[0])
        refused: dict[str, str] = {}
        taught = 0
        for payment, done in zip(
            payments,
            self._each(lambda each: self.run(operations.rejoin(context, region, each), peers[0]), payments),
            strict=True,
        ):
            taught += done.done
            if not done.done:
                refused[payment] = done.says
            self.environment.report.line(region, "RUNNING", f"{taught} of {len(payments)} payments")
        if not refused:
            self.unbar(region)
            self.environment.report.line(region, "COMPLETE", f"{taught} payments")
        return Rejoined(taught=taught, refused=refused)

    def _other(self, region: str) -> str:
        return next(other for other in self.environment.regions if other != region)

    def _done(self, flow: Flow[Done], region: str) -> None:
        done = self.run(flow, self._other(region))
        if not done.done:
            raise PayctlError(f"the register of {region} cannot be barred: {done.says}", remedy="repeat the command")

    def _each(self, call: Callable[[str], Answer], payments: list[str]) -> Iterator[Answer]:
        for start in range(0, len(payments), AT_ONCE):
            yield from together(call, payments[start : start + AT_ONCE]).values()


def wait_until_barred(environment: Environment, seconds: float = BARRED_SECONDS) -> None:
    """Functions look once a minute which registers they may ask: only then is a bar known everywhere."""
    for waited in environment.pace.ticks(seconds):
        environment.report.line("functions", "WAITING", f"{max(0.0, seconds - waited):.0f} s until all know the bar")
