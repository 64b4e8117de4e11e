"""The three registers, driven by the operator: what is parked, rulings, and registers that rejoin.

The code is the functions' own (lambda/payments/protocol/operations.py), against the same three tables.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from payments.aws import Aws, Credentials
from payments.members import BARRED_SECONDS
from payments.protocol import operations, rejoining
from payments.protocol.operations import Ruling, Standing
from payments.protocol.ports import LEDGER, LOST, REGISTER, Action, Context, Flow, Update
from payments.protocol.rejoining import Done
from payments.protocol.values import DECLINED, NOT_CHARGED, SETTLED
from payments.runtime import context_of
from payments.settings import Settings
from payments.store import Driver

from payctl.advice import failure
from payctl.cloud import answered_at, batches, together
from payctl.endpoint import require_reachable_processor
from payctl.environment import Environment
from payctl.payments import log_key
from payctl.payments.teaching.lesson import Lesson, Rejoined
from payctl.payments.teaching.wire import Noted, Wire
from stacksets.errors import ToolError

FINAL: Final = (SETTLED, DECLINED, NOT_CHARGED)
"""How a payment ends."""
UNREADABLE: Final = "UNREADABLE"
"""The status of a payment of which a cell says what no function writes: somebody changed it."""
FLOW_SECONDS = 20.0
AT_ONCE = 8  # payments, each of which asks three Regions
Answer = TypeVar("Answer")

# Since when a bar is known, so that a repeated command waits for the rest of the minute only.
SINCE = Action("SINCE", "SET since = if_not_exists(since, :now)", "lost = :region")
FORGET = Action("FORGET", "REMOVE since", "attribute_exists(TransactionId)")


def standing(run: Callable[[Flow[Standing]], Standing], flow: Flow[Standing], payment: str, cells: int = 0) -> Standing:
    """Where a payment stands, by a flow that reads so many cells: one that somebody changed hides no other payment."""
    try:
        return run(flow)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):  # whatever stands there for JSON
        return Standing(payment, UNREADABLE, cells)


class Registers:
    """The three register tables of an environment, and the processor that its settings name."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._drivers: dict[str, Driver] = {}

    def settings(self, region: str) -> Settings:
        """The settings of a Region's function, from what is deployed rather than from the settings file. Raises
        ToolError where a local cloud's would charge on the internet."""
        environment, names, parameters = self.environment, self.environment.names, self.environment.parameters
        require_reachable_processor(environment.cloud.endpoint, parameters.get("ProcessorUrl", ""))
        return Settings(
            environment=environment.settings.environment,
            region=region,
            regions=environment.regions,
            account=environment.cloud.account,
            rail=parameters.get("ProcessorUrl") or LEDGER,
            secret=parameters.get("ProcessorCredentialName", ""),
            deduplicates=parameters.get("ProcessorDeduplicates") == "true",
            key_lifetime=int(parameters.get("ProcessorKeyLifetimeHours") or 24) * 3600,
            bucket=names.receipts(region),
            bus="",
            state_machine=names.state_machine(region),
            endpoint=environment.cloud.endpoint,
            test_faults=False,
            kind=parameters.get("ProcessorKind") or "http",
        )

    def context(self, region: str = "") -> Context:
        """Where a flow runs: the home Region, or the next that answers, unless another is named."""
        return context_of(self.settings(region or self.environment.nearest))

    def run(self, flow: Flow[Answer], region: str = "") -> Answer:
        """Drive a flow of the functions' code. What does not answer is LOST to it, never an error."""
        driver = self._driver(region or self.environment.nearest)
        driver.aws.credentials = Credentials(*self.environment.cloud.target_keys())  # a session's change within an hour
        return driver.run(flow, FLOW_SECONDS)

    @property
    def aws(self) -> Aws:
        """The calls of the functions' code, each with their few seconds: of a Region that is silent one hears soon."""
        return self._driver(self.environment.nearest).aws

    def _driver(self, region: str) -> Driver:
        if region not in self._drivers:
            keys = self.environment.cloud.target_keys()
            note = self.environment.report.note

            def log(what: str, **fields: Any) -> None:
                note(f"{what}: {', '.join(f'{name} {value}' for name, value in fields.items())}")

            aws = Noted(Credentials(*keys), self.environment.cloud.endpoint)
            self._drivers[region] = Driver(self.settings(region), aws, log, operator=True)
        return self._drivers[region]

    def payments(self, region: str) -> Iterator[str]:
        """Every payment that a Region's register holds. Read only. Raises ToolError."""
        fields = {"TableName": self.environment.names.register(region), "ProjectionExpression": "TransactionId"}
        for page in Wire(self.environment).pages(region, {**fields, "ConsistentRead": True}):
            payments = (item["TransactionId"]["S"] for item in page)
            yield from (payment for payment in payments if not payment.startswith(":"))  # no payment's id begins so

    def inspect(self, payment: str) -> Standing:
        """Where a payment stands. Read only."""
        return standing(self.run, operations.inspect(self.context(), payment), payment)

    def resolve(self, payment: str, ruling: Ruling) -> Done:
        """Close a payment that is parked, as the operator rules, unless the processor says otherwise."""
        return self.run(operations.resolve(self.context(), payment, ruling))

    def bar(self, region: str) -> float:
        """Stop everybody from asking a register that was lost. Returns for how many seconds both others have known it.
        Raises ToolError unless both take the bar."""
        other = self._other(region)
        self._done(rejoining.bar(self.context(other), region), region)
        now = self._time_at(other)
        return self.run(_known_for(self.context(other)._replace(now=lambda: now), region), other)

    def remove_stray_bar(self, region: str) -> str:
        """Remove a bar that a refused command left in one Region only: what was done. Raises ToolError."""
        done = self.run(rejoining.stray(self.context(self._other(region)), region), self._other(region))
        if not done.done:
            raise ToolError(f"the bar of {region} was not removed: {done.says}", remedy=f"use `payctl rejoin {region}`")
        return done.says

    def unbar(self, region: str) -> None:
        """Let everybody ask it again. Raises ToolError."""
        self.run(_forget(self.context(self._other(region)), region), self._other(region))
        self._done(rejoining.unbar(self.context(self._other(region)), region), region)

    def rejoin(self, region: str) -> Rejoined:
        """Teach a register every payment that either of the others holds, then put it into use. Raises ToolError."""
        self.bar(region)
        peer = self._other(region)
        done = Lesson(self.environment, region, self.context(peer), self.taught_by_ballot(region, peer)).teach()
        if not done.refused:
            self.enrol(region)
            log_key.share(self.environment)
            self.unbar(region)
            self.environment.report.line(region, "COMPLETE", f"{done.known + done.taught:,} payments")
        return done

    def taught_by_ballot(self, region: str, peer: str) -> Callable[[str], Done]:
        """How one payment is taught by a ballot that is held in the Region `peer`."""
        context = self.context(peer)
        return lambda payment: self.run(rejoining.rejoin(context, region, payment), peer)

    def enrol(self, region: str) -> None:
        """Put the table that is now a Region's register into use. DynamoDB gives no two tables the same TableId: a
        restored one shows the id of the table that it was copied from. Raises ToolError."""
        dynamodb, table = self.environment.cloud.dynamodb(region), self.environment.names.register(region)
        try:
            table_id = dynamodb.describe_table(TableName=table)["Table"]["TableId"]
            dynamodb.update_item(
                TableName=table,
                Key={"TransactionId": {"S": REGISTER}},
                UpdateExpression="SET serves = :region, table_id = :table REMOVE lost, bar, since",
                ExpressionAttributeValues={":region": {"S": region}, ":table": {"S": table_id}},
            )
        except (ClientError, BotoCoreError) as error:
            raise failure("enrol", f"table {table} in {region}", error) from error

    def _time_at(self, region: str) -> int:
        """Seconds since 1970, by the clock of a Region's DynamoDB: a command may be repeated at another computer.
        Raises ToolError."""
        table = self.environment.names.register(region)
        try:
            answer = self.environment.cloud.dynamodb(region).describe_table(TableName=table)
        except (ClientError, BotoCoreError) as error:
            raise failure("look at", f"table {table} in {region}", error) from error
        return answered_at(answer)

    def _other(self, region: str) -> str:
        return next(other for other in self.environment.regions if other != region)

    def _done(self, flow: Flow[Done], region: str) -> None:
        done = self.run(flow, self._other(region))
        if not done.done:
            raise ToolError(f"the register of {region} cannot be barred: {done.says}", remedy="repeat the command")

    def _each(self, call: Callable[[str], Answer], payments: Sequence[str]) -> Iterator[Answer]:
        for some in batches(payments, AT_ONCE):
            yield from together(call, some).values()


def wait_until_barred(environment: Environment, seconds: float = BARRED_SECONDS, *, already: float = 0.0) -> None:
    """Wait until every function knows a bar: each looks once a minute which registers it may ask. `already`: for how
    many seconds the bar has stood."""
    for waited in environment.pace.ticks(max(0.0, seconds - already)):
        left = max(0.0, seconds - already - waited)
        environment.report.line("functions", "WAITING", f"{left:.0f} s until all know the bar")
    environment.report.line("functions", "COMPLETE", "all know the bar")


def _known_for(context: Context, lost: str) -> Flow[float]:
    """For how long both others have known the bar, by the context's clock; 0 where one does not say."""
    now = context.now()
    answers = yield tuple(
        Update(region, REGISTER, SINCE, {"region": lost, "now": now}) for region in context.regions if region != lost
    )
    if LOST in answers:
        return 0.0
    return max(0.0, now - max(int(answer.cell["since"]) for answer in answers))


def _forget(context: Context, lost: str) -> Flow[None]:
    """The next bar starts a minute of its own."""
    yield tuple(Update(region, REGISTER, FORGET, {}) for region in context.regions if region != lost)
