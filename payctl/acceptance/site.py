"""The throwaway environment under acceptance, and the evidence that is gathered while it is looked at."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from payctl import signed_http
from payctl.acceptance.check import RefutedError
from payctl.cloud import Cloud
from payctl.drills import load
from payctl.environment import Environment
from payctl.payments import pay
from payctl.payments.pay import Reply
from stacksets.progress import Reporter
from stacksets.waiting import Pace

Answer = TypeVar("Answer")
SHOWN: Final = 40  # requests in the evidence of one check, the last ones
LINES: Final = 30
LENGTH: Final = 400
QUICK: Final = Pace(first=0.02, longest=0.05)  # the local cloud updates a Region in half a second
# Payments of the sample that several checks look at, and how many a second.
SAMPLE: Final = (600, 20.0)
LOCAL_SAMPLE: Final = (30, 6.0)


@dataclass
class Trace:
    """Every answered request of a run: when, to whom, how it was answered, and AWS's id of it."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def listen(self, cloud: Cloud) -> None:
        """Hear the answers of all clients that the cloud makes from now on."""
        cloud.listen(self._heard)

    def add(self, service: str, operation: str, region: str, status: int, request: str) -> None:
        """Take down one request."""
        with self._lock:
            self.requests.append(
                {
                    "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                    "service": service,
                    "operation": operation,
                    "region": region,
                    "status": status,
                    "request": request,
                }
            )

    def _heard(self, *, parsed: Mapping[str, Any], model: Any, context: Mapping[str, Any], **_: Any) -> None:
        answer = parsed.get("ResponseMetadata", {})
        region = str(context.get("client_region", ""))
        self.add(
            model.service_model.service_name,
            model.name,
            region,
            int(answer.get("HTTPStatusCode", 0)),
            str(answer.get("RequestId", "")),
        )


class Site:
    """What a check is given. `facts` outlive an interrupted run: what an earlier check learned, as JSON has it.

    `patience` shortens every wait, for tests that show a check to fail.
    """

    def __init__(
        self, environment: Environment, trace: Trace, facts: dict[str, Any] | None = None, *, patience: float = 1.0
    ) -> None:
        self.environment = environment
        self.trace = trace
        self.facts: dict[str, Any] = {} if facts is None else facts
        self.patience = patience
        self.local = bool(environment.cloud.endpoint)
        self.evidence: list[str] = []

    @property
    def home(self) -> str:
        return self.environment.home

    @property
    def regions(self) -> tuple[str, ...]:
        return self.environment.regions

    @property
    def farthest(self) -> str:
        """The Region of the last rank."""
        return self.environment.regions[-1]

    def client(self, service: str, region: str = "") -> Any:
        """A service of the target account, home Region unless another is named."""
        return self.environment.cloud.target_client(service, region or self.home)

    def show(self, *lines: str) -> None:
        """Add lines to the evidence of the present check."""
        self.evidence += lines

    def changed(self, report: Reporter | None = None, **settings: Any) -> Environment:
        """The environment with another reporter, or with other settings."""
        present = self.environment
        pace = QUICK if self.local else present.pace
        made = Environment(present.cloud, report or present.report, pace, settings_file=present.settings_file)
        made.settings = present.settings._replace(**settings)
        return made

    @contextmanager
    def gathering(self) -> Iterator[int]:
        """A check begins: its evidence and its requests start here."""
        self.evidence = []
        yield len(self.trace.requests)

    def requests_since(self, start: int) -> tuple[dict[str, Any], ...]:
        """The last requests since then."""
        return tuple(self.trace.requests[start:][-SHOWN:])

    def until(
        self, look: Callable[[], Answer | None], *, aws: float, local: float, seen: str | Callable[[], str]
    ) -> Answer:
        """The first truthy answer within so many seconds. Raises RefutedError with what is seen instead."""
        limit = (local if self.local else aws) * self.patience
        for waited in self.environment.pace.ticks(limit):
            if answer := look():
                self.show(f"after {waited:.1f} s")
                return answer
        raise RefutedError(f"{seen if isinstance(seen, str) else seen()} (after {limit:.0f} s)")

    def masked(self, text: str) -> str:
        """The text as it may be published: without the accounts' numbers, in one line, not too long."""
        cloud = self.environment.cloud
        for account in {cloud.account, cloud.administrator}:
            text = text.replace(account, "<account>")
        text = re.sub(r"\bA(?:KIA|SIA)[A-Z0-9]{12,}", "<key>", " ".join(text.split()))
        return text if len(text) <= LENGTH else f"{text[:LENGTH]}..."

    # --- payments

    def new_payment(self) -> str:
        """An id that nobody has used."""
        return f"{load.new_prefix('A')}-1"

    def post(self, payment: str, region: str = "", amount: str = "12.50") -> Reply:
        """POST a payment as `payctl pay` does, always with the same content."""
        moment = self.facts.setdefault("moment", datetime.now(UTC).isoformat(timespec="seconds"))
        transaction = pay.payment(payment_id=payment, amount=amount, currency="EUR", timestamp=moment)
        began = time.monotonic()
        (reply,) = pay.pay(self.environment, transaction, (region or self.home,))
        self.trace.add("execute-api", "POST /payments", reply.region, reply.status, reply.request_id)
        self.show(f"POST {payment} in {reply.region}: {reply.status} in {time.monotonic() - began:.2f} s")
        return reply

    def unsigned(self, method: str, path: str, region: str, *, body: Any = None) -> signed_http.Answer:
        """A request to a Region's API without a signature."""
        outputs = self.environment.api_outputs[region]
        url = signed_http.address(self.environment.cloud, region, outputs) + path
        answer = signed_http.send(method, url, body=body)
        request = answer.headers.get("x-amzn-RequestId", "")
        self.trace.add("execute-api", f"{method} {path}", region, answer.status, request)
        return answer

    def sample(self) -> dict[str, Any]:
        """Payments at a steady rate in every Region, made once for all checks that look at them."""
        if "sample" not in self.facts:
            count, rate = LOCAL_SAMPLE if self.local else SAMPLE
            began = time.time()
            log = load.pay_at_rate(self.environment, rate=rate, seconds=count / rate, near=self.regions)
            self.facts["sample"] = {
                "began": began,
                "ended": time.time(),
                "ids": sorted(log.payments),
                "settled_by": {
                    region: sum(a.status == 201 and a.region == region for a in log.answers) for region in self.regions
                },
                "longest": max((answer.seconds for answer in log.answers), default=0.0),
                **log.summary(),
            }
        sample: dict[str, Any] = self.facts["sample"]
        self.show(f"{sample['payments']} payments: answers {sample['answers']}, latency {sample['latency_ms']} ms")
        return sample


class Told(Reporter):
    """Passes on what a run tells; for checks that act while a phase begins, or once a Region has finished."""

    def __init__(self, report: Reporter, region: str = "") -> None:
        self._report, self._region = report, region

    def phase(self, title: str) -> None:
        self.begun(title)
        self._report.phase(title)

    def line(self, name: str, state: str, detail: str = "") -> None:
        self._report.line(name, state, detail)
        if self._region == name and state == "SUCCEEDED":
            self._region = ""
            self.finished(name)

    def note(self, text: str) -> None:
        self._report.note(text)

    def begun(self, title: str) -> None:
        """A phase begins."""

    def finished(self, region: str) -> None:
        """The Region has finished."""
