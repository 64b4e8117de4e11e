"""The score of the tour: what clients were promised, counted in the books of the Regions and of the processor.

A payment is looked at until it is closed: its client knows the end, every Region shows the same record and, where it is
settled, the same receipt. So a look costs as much as there is under way, not as much as there ever was.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from payments.protocol.record import receipt_key
from payments.protocol.values import SETTLED

from payctl.drills.client_log import Answer, ClientLog
from payctl.drills.history import contradiction
from payctl.drills.local_cloud import LocalCloud
from payctl.environment import Environment
from payctl.payments.books import PREFIX, SUFFIX, Item, items

Value = TypeVar("Value")
QUORUM: Final = 2
"""Of three registers so many hold every payment that was accepted: where fewer can be read, none can be missed."""


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """One Region's books. `lacking` are the accepted payments whose record or receipt it does not show (yet)."""

    readable: bool
    records: int
    receipts: int
    lacking: int


@dataclass(frozen=True, kw_only=True)
class Score:
    """`accepted` by the clients' log, the rest by the books. `oldest` is when the first payment was accepted that some
    book does not show yet; None where there is none. `judged`: whether enough can be read to miss a payment."""

    accepted: int = 0
    settled: int = 0
    declined: int = 0
    on_the_way: int = 0
    lost: int = 0
    charged: int = 0
    charged_twice: int = 0
    differing: int = 0
    contradicted: int = 0
    oldest: float | None = None
    judged: bool = True
    shelves: Mapping[str, Shelf] = field(default_factory=dict)


@dataclass
class Account:
    """What was found of one payment: by Region, the record's content and its receipt's ETag."""

    status: str = ""
    records: dict[str, str] = field(default_factory=dict)
    receipts: dict[str, str] = field(default_factory=dict)
    held: bool = False
    answers: list[Answer] = field(default_factory=list)


class Counting:
    """Reads the books again and again. `score` is the latest."""

    def __init__(self, environment: Environment, log: ClientLog, prefix: str, local: LocalCloud) -> None:
        self._environment, self._log, self._prefix, self._local = environment, log, prefix, local
        self._accounts: dict[str, Account] = {}
        self._open: dict[str, Account] = {}
        self._differing: set[str] = set()
        self._contradicted: set[str] = set()
        self._read = 0
        self._lock = threading.Lock()
        self.score = Score()

    def look(self, silent: Collection[str]) -> Score:
        """Read what the Regions show of the payments that are not closed; the `silent` ones are not asked."""
        with self._lock:
            return self._look(silent)

    def _look(self, silent: Collection[str]) -> Score:
        environment, names = self._environment, self._environment.names
        self._take_in()
        asked = [region for region in environment.regions if region not in silent]
        # Registers first: what is finished between the two readings then shows as a record.
        unknown = [payment for payment, account in self._open.items() if not account.status]
        cells = self._everywhere(asked, lambda region: items(environment, region, names.register(region), unknown))
        records = self._everywhere(cells, lambda region: items(environment, region, names.table, self._lacking(region)))
        receipts = self._everywhere(records, self._receipts)
        counts: Mapping[str, int] = self._local.processor()["by_reference"]
        readable = set(receipts)
        for region in sorted(readable):
            self._note(region, cells[region], records[region], receipts[region])
        judged = len(readable) >= QUORUM
        lost = [p for p, account in self._open.items() if judged and not account.status and not account.held]
        self._compare()
        self.score = self._counted(counts, readable, lost, judged=judged)
        self._close()
        return self.score

    def _take_in(self) -> None:
        """The payments that were accepted before anything is read, and what was told of them."""
        answers = self._log.answers[self._read :]
        self._read += len(answers)
        for answer in answers:
            self._accounts.setdefault(answer.payment, Account()).answers.append(answer)
        for payment in self._log.accepted:
            if payment.id not in self._open and not self._closed(payment.id):
                self._open[payment.id] = self._accounts.setdefault(payment.id, Account())
        for account in self._open.values():
            account.held = False

    def _closed(self, payment: str) -> bool:
        """Whether nothing more can come of a payment."""
        return self._whole(payment) and self._log.payments[payment].over

    def _whole(self, payment: str) -> bool:
        """Whether every Region's books show a payment."""
        account, regions = self._accounts.get(payment), len(self._environment.regions)
        if account is None or len(account.records) < regions:
            return False
        return account.status != SETTLED or len(account.receipts) == regions

    def _everywhere(self, regions: Iterable[str], read: Callable[[str], Value]) -> dict[str, Value]:
        """What is read in each of the Regions that answer."""

        def tolerant(region: str) -> tuple[Value, ...]:
            try:
                return (read(region),)
            except (BotoCoreError, ClientError):
                return ()

        asked = tuple(regions)
        found = self._environment.cloud.everywhere(tolerant, asked) if asked else {}
        return {region: value for region, values in found.items() for value in values}

    def _lacking(self, region: str) -> list[str]:
        return [payment for payment, account in self._open.items() if region not in account.records]

    def _receipts(self, region: str) -> dict[str, str]:
        """The ETags of the receipts that were not there, from the first payment on that lacks one."""
        lacking = sorted(p for p, account in self._open.items() if region not in account.receipts)
        if not lacking:
            return {}
        first = f"{PREFIX}{lacking[0]}"  # the key itself is longer, and comes after it
        pages = (
            self._environment.cloud.s3(region)
            .get_paginator("list_objects_v2")
            .paginate(Bucket=self._environment.names.receipts(region), Prefix=PREFIX + self._prefix, StartAfter=first)
        )
        return {
            each["Key"].removeprefix(PREFIX).removesuffix(SUFFIX): each["ETag"]
            for page in pages
            for each in page.get("Contents", [])
        }

    def _note(
        self, region: str, cells: Mapping[str, Item], records: Mapping[str, Item], receipts: Mapping[str, str]
    ) -> None:
        for payment, account in self._open.items():
            # A register clears the time at which it is due once its Region shows the record.
            account.held |= "due_at" in cells.get(payment, {})
            if payment in records:
                account.status = str(records[payment]["Status"])
                account.records[region] = str(records[payment].get("Content"))
            if payment in receipts:
                account.receipts[region] = receipts[payment]

    def _compare(self) -> None:
        """Find what is not the same in two Regions, and what clients were told that cannot all be true."""
        for payment, account in self._open.items():
            if len(set(account.records.values())) > 1 or self._receipts_differ(payment, account):
                self._differing.add(payment)
            if self._closed(payment) and contradiction(account.answers):
                self._contradicted.add(payment)

    def _receipts_differ(self, payment: str, account: Account) -> bool:
        """By contents where the ETags differ, as with different keys they may."""
        if len(set(account.receipts.values())) < 2:
            return False
        key = receipt_key(payment)

        def digest(region: str) -> str:
            bucket = self._environment.names.receipts(region)
            body = self._environment.cloud.s3(region).get_object(Bucket=bucket, Key=key)["Body"]
            return sha256(body.read()).hexdigest()

        return len(set(self._everywhere(account.receipts, digest).values())) > 1

    def _counted(self, counts: Mapping[str, int], readable: set[str], lost: Sequence[str], *, judged: bool) -> Score:
        accepted = self._log.accepted
        known = {p.id: self._accounts[p.id] for p in accepted if p.id in self._accounts}
        settled = sum(account.status == SETTLED for account in known.values())
        ended = sum(bool(account.status) for account in known.values())
        uncharged = {p for p, account in known.items() if account.status == SETTLED and not counts.get(p)}
        waiting = [payment for payment in self._open if not self._whole(payment)]
        own = {payment: count for payment, count in counts.items() if payment.startswith(self._prefix)}
        return Score(
            accepted=len(known),
            settled=settled,
            declined=ended - settled,
            on_the_way=len(known) - ended - len(lost),
            lost=len(lost),
            charged=sum(own.values()),
            charged_twice=sum(count > 1 for count in own.values()),
            differing=len(self._differing | uncharged),
            contradicted=len(self._contradicted),
            oldest=min((self._log.payments[p].accepted_at or 0.0 for p in waiting), default=None),
            judged=judged,
            shelves={region: self._shelf(region, known, readable) for region in self._environment.regions},
        )

    def _shelf(self, region: str, known: Mapping[str, Account], readable: set[str]) -> Shelf:
        return Shelf(
            readable=region in readable,
            records=sum(region in account.records for account in known.values()),
            receipts=sum(region in account.receipts for account in known.values()),
            lacking=sum(
                region not in account.records or (account.status == SETTLED and region not in account.receipts)
                for account in known.values()
            ),
        )

    def _close(self) -> None:
        for payment in [payment for payment in self._open if self._closed(payment)]:
            del self._open[payment]
