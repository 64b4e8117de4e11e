"""DynamoDB for millions of items: whole batches, each repeated until it is done. The client is that of the functions:
the SDK needs ten times as long to read an item."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from http.client import HTTPException
from typing import Any, Final, TypeVar

from payments.attributes import plain
from payments.aws import Aws, AwsError, Credentials, Exchange, finish

from payctl.cloud import batches
from payctl.environment import Environment
from payctl.journal import JOURNAL
from payctl.payments.books import KEYS_AT_ONCE
from payctl.payments.tables import GONE
from stacksets.errors import ToolError

STATEMENTS: Final = 25
"""Statements of a BatchExecuteStatement."""
CONNECT_SECONDS, READ_SECONDS = 5.0, 30.0
PATIENCE_SECONDS: Final = 120.0
"""For a service that is busy or does not answer: a table's throughput grows within such a time."""
PAUSES: Final = (0.1, 5.0)
"""Seconds between two tries, the first and the longest."""
BUSY: Final = {
    "NoAnswer",
    "InternalServerError",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
}
BUSY_STATEMENT: Final = {
    "InternalServerError",
    "ProvisionedThroughputExceeded",
    "RequestLimitExceeded",
    "ThrottlingError",
    "TransactionConflict",
}
"""The same as BatchExecuteStatement tells them of one statement (DynamoDB API reference, BatchStatementError)."""
DUPLICATE: Final = "DuplicateItem"

Item = Mapping[str, Any]
Piece = TypeVar("Piece")


class Noted(Aws):
    """AWS as the functions' code calls it; what changes anything is noted first."""

    def calling(
        self, service: str, region: str, action: str, fields: Mapping[str, Any] | str
    ) -> Exchange[dict[str, Any]]:
        JOURNAL.ask(action, region)
        return super().calling(service, region, action, fields)


class Wire:
    """Calls for one environment. Threads may share it."""

    def __init__(self, environment: Environment) -> None:
        self._cloud, self._pace = environment.cloud, environment.pace
        self._aws = Noted(Credentials(*self._cloud.target_keys()), self._cloud.endpoint)

    def call(self, region: str, action: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """One call, repeated while the service is busy. Raises ToolError."""
        for pause in self._pauses():
            self._aws.credentials = Credentials(*self._cloud.target_keys())  # a session's change within an hour
            try:
                return self._send(self._aws.calling("dynamodb", region, action, fields))
            except AwsError as error:
                code = error.code
                if code not in BUSY and not code.startswith("5"):
                    break
            self._pace.sleep(pause)
        raise Unanswered(region, action, code)

    def pages(self, region: str, fields: Mapping[str, Any]) -> Iterator[list[Item]]:
        """Scan, page by page. Raises ToolError."""
        after: Mapping[str, Any] = {}
        while True:
            answer = self.call(region, "Scan", {**fields, **after})
            yield answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            after = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def items(self, region: str, table: str, payments: Sequence[str], wanted: Mapping[str, Any]) -> dict[str, Item]:
        """Items of a table by payment, as plain values; `wanted`: which attributes, and how consistently. Raises
        ToolError."""
        found: dict[str, Item] = {}

        def get(keys: Sequence[Any]) -> list[Any]:
            answer = self.call(region, "BatchGetItem", {"RequestItems": {table: {**wanted, "Keys": keys}}})
            found.update((item["TransactionId"]["S"], plain(item)) for item in answer["Responses"].get(table, ()))
            return list(answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", ()))

        for some in batches(payments, KEYS_AT_ONCE):
            if self._left([{"TransactionId": {"S": payment}} for payment in some], get):
                raise Unanswered(region, "BatchGetItem", "some keys are never processed")
        return found

    def insert(self, region: str, statements: Sequence[Item]) -> list[int]:
        """Statements that insert an item each. Which of them found one there already and did nothing, by number. Raises
        ToolError."""
        duplicates: list[int] = []

        def put(numbers: Sequence[int]) -> list[int]:
            fields = {"Statements": [statements[number] for number in numbers]}
            told = self.call(region, "BatchExecuteStatement", fields)["Responses"]
            codes = dict(zip(numbers, (one.get("Error", {}).get("Code", "") for one in told), strict=True))
            duplicates.extend(number for number, code in codes.items() if code == DUPLICATE)
            if failed := {code for code in codes.values() if code} - BUSY_STATEMENT - {DUPLICATE}:
                raise Unanswered(region, "BatchExecuteStatement", min(failed))
            return [number for number, code in codes.items() if code in BUSY_STATEMENT]

        for some in batches(range(len(statements)), STATEMENTS):
            if self._left(some, put):
                raise Unanswered(region, "BatchExecuteStatement", "the table stays busy")
        return duplicates

    def _left(self, batch: Sequence[Piece], send: Callable[[Sequence[Piece]], list[Piece]]) -> Sequence[Piece]:
        """Send a batch, and again what the answer leaves of it; what is left when patience ends."""
        for pause in self._pauses():
            batch = send(batch)
            if not batch:
                break
            self._pace.sleep(pause)
        return batch

    @staticmethod
    def _send(exchange: Exchange[dict[str, Any]]) -> dict[str, Any]:
        """As `payments.aws.run`, with more time: a page is a megabyte. Raises AwsError."""
        sending = next(exchange)
        try:
            reply = sending.host.send(sending.request, connect=CONNECT_SECONDS, read=READ_SECONDS)
        except (OSError, HTTPException) as error:
            raise AwsError("NoAnswer") from error
        return finish(exchange, reply)

    def _pauses(self) -> Iterator[float]:
        """How long to wait before the next try, until patience ends."""
        pause, longest = PAUSES
        until = self._pace.clock() + PATIENCE_SECONDS
        while self._pace.clock() < until:
            yield pause
            pause = min(longest, pause * 2)


class Unanswered(ToolError):
    """A call that never succeeded. `gone`: what it asks for is not there."""

    def __init__(self, region: str, action: str, code: str) -> None:
        denied = "AccessDenied" in code
        rights = "dynamodb:PartiQLInsert" if action == "BatchExecuteStatement" else f"dynamodb:{action}"
        super().__init__(
            f"{action} in {region} failed: {code}",
            remedy=f"allow {rights} on the tables, then repeat the command" if denied else "repeat the command later",
        )
        self.gone = code in GONE
