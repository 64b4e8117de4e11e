"""Copies of what both other registers show as final, a thousand payments a time, into a register that nobody asks."""

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Final
from urllib.parse import unquote

from botocore.exceptions import BotoCoreError, ClientError
from payments.attributes import typed
from payments.protocol.ports import Cell, Context
from payments.protocol.record import receipt_key
from payments.protocol.rejoining import copy_of

from payctl.environment import Environment
from payctl.payments.books import PREFIX, SUFFIX
from payctl.payments.teaching.lists import Ended, digest_of
from payctl.payments.teaching.wire import Item, Unanswered, Wire
from payctl.unparsed import unparsed

KEY: Final = re.compile("<Key>([^<]*)</Key>")
CONTENTS: Final = re.compile(b"<Contents>.*</Contents>", re.DOTALL)
WANTED: Final[Item] = {
    "ProjectionExpression": "TransactionId, #hash, intent, accepted_at, #result, ruling",
    "ExpressionAttributeNames": {"#hash": "hash", "#result": "result"},
    "ConsistentRead": True,
}
SHOWN: Final[Item] = {"ProjectionExpression": "TransactionId, Content"}


class Copier:
    """Copies into the register of `lost` from that of the context's own Region. Threads may share it."""

    def __init__(self, environment: Environment, wire: Wire, context: Context, lost: str) -> None:
        self._environment, self._wire, self._context, self._lost = environment, wire, context, lost

    def listing(self) -> AbstractContextManager[None]:
        """To be entered before anything is copied: of lists only the keys are read meanwhile."""
        return unparsed([self._environment.cloud.s3(self._lost)], "s3.ListObjectsV2", read_keys)

    def copy(self, ended: Sequence[Ended]) -> list[str]:
        """Copy some payments, in the order of their receipts' keys, wherever that may be. Which it may not. Raises
        ToolError."""
        names, peer = self._environment.names, self._context.region
        payments = [one.payment for one in ended]
        cells = self._wire.items(peer, names.register(peer), payments, WANTED)
        records = self._records(payments)
        receipts = self._receipts([payment for payment in payments if payment in records])
        unshown = [payment for payment in payments if payment not in records]
        elsewhere = self._wire.items(peer, names.table, unshown, SHOWN)  # as a ballot would: the public record decides
        copies: list[Cell] = []
        declined: list[str] = []
        for payment, digest in ended:
            cell = cells.get(payment, {})
            same = digest_of(cell) == digest  # or it has been ruled upon since it was listed
            record, other = (str(shown.get(payment, {}).get("Content", "")) for shown in (records, elsewhere))
            agreed = same and other in ("", cell["result"])
            made = copy_of(self._context, self._lost, cell, record, receipted=payment in receipts) if agreed else None
            if made is None:
                declined.append(payment)
            else:
                copies.append(made)
        table = names.register(self._lost)
        there = self._wire.insert(self._lost, [insertion(table, cell) for cell in copies])
        return declined + [str(copies[number]["TransactionId"]) for number in there]

    def _records(self, payments: Sequence[str]) -> dict[str, Item]:
        """What the lost Region's own replica shows of them. Where there is none, it shows nothing."""
        try:
            return self._wire.items(self._lost, self._environment.names.table, payments, SHOWN)
        except Unanswered as error:
            if error.gone:
                return {}
            raise

    def _receipts(self, payments: Sequence[str]) -> set[str]:
        """Of which the lost Region's own bucket holds the receipt, as far as can be told: a thousand keys a list, from
        one key that is wanted to the next."""
        api, bucket = self._environment.cloud.s3(self._lost), self._environment.names.receipts(self._lost)
        found, at = set[str](), 0
        try:
            while at < len(payments):
                before = receipt_key(payments[at])[:-1]
                page: Any = api.list_objects_v2(Bucket=bucket, Prefix=PREFIX, StartAfter=before)
                keys = [key.removeprefix(PREFIX) for key in page["Keys"]]
                found.update(key.removesuffix(SUFFIX) for key in keys)
                if not page.get("IsTruncated") or not keys:
                    break
                while at < len(payments) and payments[at] + SUFFIX <= keys[-1]:
                    at += 1
        except (ClientError, BotoCoreError):
            pass  # what is not seen stays due, and the janitor looks for it
        return found


def read_keys(answer: dict[str, Any], parsed: dict[str, Any]) -> None:
    """Have a list hold its keys, and nothing else of its entries, which the SDK takes a fifth of a millisecond each to
    read."""
    body = answer["body"]
    parsed["Keys"] = [unquote(key) for key in KEY.findall(body.decode())]
    answer["body"] = CONTENTS.sub(b"", body)


def insertion(table: str, cell: Cell) -> Any:
    """The statement that puts a cell where there is none: of one that is there, INSERT says DuplicateItem and leaves it
    as it is."""
    fields = ", ".join(f"'{name}': ?" for name in cell)
    return {"Statement": f'INSERT INTO "{table}" VALUE {{{fields}}}', "Parameters": list(map(typed, cell.values()))}
