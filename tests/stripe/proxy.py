"""A proxy before localstripe that records what passes, adds what localstripe lacks of Stripe, and loses and doubles
requests and answers on purpose.

It adds idempotency keys as Stripe keeps them (the first answer again, 400 for another request under a key, 409 while
one is in flight) and takes `created[...]` out of a list's query, which localstripe would refuse. `GET` and `PUT /admin`
are those of the local cloud's sandbox processor: charges by payment, from localstripe's own books, and the behaviour.
"""

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.payments.server import Http

SECRET = "sk_test_12345"
"""localstripe takes whatever begins so."""
ENDED: Final = {"fail": "failed", "lose_reply_share": "lost after"}
"""The behaviours that a drill ends, and what becomes of the requests that meet them."""
MET_SECONDS: Final = 25.0
"""How long the end of one waits for requests, within the time that a drill gives `/admin`."""
Answer = tuple[int, bytes]


@dataclass(frozen=True)
class Behaviour:
    """`fail`: a status in the place of an answer, and nothing is done; shares are 0..1; `delay` in seconds, before it
    works; `keys`: whether idempotency is added, for `key_seconds`."""

    fail: int = 0
    fail_share: float = 1.0
    lose_request_share: float = 0.0
    lose_reply_share: float = 0.0
    double_share: float = 0.0
    delay: float = 0.0
    keys: bool = True
    key_seconds: float = 86400.0
    seed: int = 0


class Passed(NamedTuple):
    """A request that came, with what became of it: answered, doubled, lost before, lost after, failed."""

    method: str
    path: str
    key: str
    fate: str


@dataclass
class Proxy:
    """Between the adapter and localstripe at `upstream`. What `/admin` ends has met `least` requests before: how many
    come in some seconds depends on the machine, which starts the workflows' functions in the middle of an outage."""

    upstream: str
    url: str = ""
    least: int = 0
    behaviour: Behaviour = Behaviour()
    passed: list[Passed] = field(default_factory=list)
    kept: dict[str, tuple[tuple[str, bytes], Answer, float]] = field(default_factory=dict)
    working: set[str] = field(default_factory=set)
    lock: Any = field(default_factory=Lock)
    dice: random.Random = field(default_factory=lambda: random.Random(0))

    def behave(self, **changes: Any) -> None:
        self.behaviour = replace(self.behaviour, **changes)
        if "seed" in changes:
            self.dice = random.Random(self.behaviour.seed)

    def books(self) -> dict[str, int]:
        """How often each payment was really charged, as localstripe tells."""
        names = {intent["id"]: intent["metadata"].get("payment_id", "") for intent in self.all("payment_intents")}
        charges = [charge for charge in self.all("charges") if charge["status"] == "succeeded"]
        return Counter(names[charge["payment_intent"]] for charge in charges)

    def all(self, what: str) -> list[dict[str, Any]]:
        _, body = self.forward("GET", f"/v1/{what}?limit=100000", b"", {"authorization": f"Bearer {SECRET}"})
        found: list[dict[str, Any]] = json.loads(body)["data"]
        return found

    def fate(self) -> str:
        """What becomes of the next request."""
        behaviour = self.behaviour
        with self.lock:
            rolls = [self.dice.random() for _ in range(4)]
        shares = {
            "failed": behaviour.fail_share if behaviour.fail else 0.0,
            "lost before": behaviour.lose_request_share,
            "lost after": behaviour.lose_reply_share,
            "doubled": behaviour.double_share,
        }
        return next(
            (fate for (fate, share), roll in zip(shares.items(), rolls, strict=True) if roll < share), "answered"
        )

    def answer(self, method: str, path: str, key: str, body: bytes, headers: dict[str, str]) -> Answer | None:
        """What is answered; None: nothing, the connection is closed."""
        fate = self.fate()
        self.passed.append(Passed(method, path, key, fate))
        time.sleep(self.behaviour.delay)
        if fate == "failed":
            return self.behaviour.fail, b'{"error": {"type": "api_error"}}'
        if fate == "lost before":
            return None
        answer = self.once(method, path, key, body, headers)
        if fate == "doubled":
            answer = self.once(method, path, key, body, headers)
        return None if fate == "lost after" else answer

    def once(self, method: str, path: str, key: str, body: bytes, headers: dict[str, str]) -> Answer:
        """The answer to a request, by its key the first one again."""
        if not (key and self.behaviour.keys):
            return self.forward(method, path, body, headers)
        with self.lock:
            asked, first, since = self.kept.get(key, (("", b""), (0, b""), 0.0))
            if asked[0] and time.monotonic() - since < self.behaviour.key_seconds:
                return first if asked == (path, body) else (400, b'{"error": {"type": "idempotency_error"}}')
            if key in self.working:
                return 409, b'{"error": {"type": "idempotency_error", "code": "idempotency_key_in_use"}}'
            self.working.add(key)
        try:
            answer = self.forward(method, path, body, headers)
            if answer[0] in (200, 402) or answer[0] >= 500:  # what is not valid is not kept
                self.kept[key] = (path, body), answer, time.monotonic()
            return answer
        finally:
            self.working.discard(key)

    def forward(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        where = urlsplit(path)
        query = urlencode([(name, text) for name, text in parse_qsl(where.query) if not name.startswith("created[")])
        connection = HTTPConnection(urlsplit(self.upstream).netloc, timeout=10)
        kept = {name: text for name, text in headers.items() if name in ("authorization", "content-type")}
        connection.request(method, f"{where.path}?{query}" if query else where.path, body, kept)
        answer = connection.getresponse()
        told = answer.status, answer.read()
        connection.close()
        return told

    def until_met(self, fates: list[str]) -> None:
        end = time.monotonic() + MET_SECONDS
        while time.monotonic() < end and any(self.met()[fate] < self.least for fate in fates):
            time.sleep(0.05)

    def met(self) -> Counter[str]:
        """How many requests met each fate."""
        return Counter(passed.fate for passed in list(self.passed))

    def admin(self, body: bytes) -> dict[str, Any]:
        if body:
            changes = {name: value for name, value in json.loads(body).items() if name in asdict(self.behaviour)}
            self.until_met([fate for name, fate in ENDED.items() if not changes.get(name, True)])
            self.behave(**changes)
        books = self.books()
        return {
            "charges": sum(books.values()),
            "by_reference": books,
            "twice": [payment for payment, count in books.items() if count > 1],
            "calls": len(self.passed),
            "behaviour": asdict(self.behaviour),
        }


@contextmanager
def before(upstream: str) -> Iterator[Proxy]:
    """A proxy before localstripe, on a free port."""
    proxy = Proxy(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path == "/admin":
                return self.tell(200, json.dumps(proxy.admin(body)).encode())
            headers = {name.lower(): text for name, text in self.headers.items()}
            answer = proxy.answer(self.command, self.path, headers.get("idempotency-key", ""), body, headers)
            if answer is None:
                self.close_connection = True
                return None
            return self.tell(*answer)

        do_POST = do_PUT = do_GET

        def tell(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    http: ThreadingHTTPServer = Http(("127.0.0.1", 0), Handler)
    proxy.url = f"http://127.0.0.1:{http.server_port}"
    Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield proxy
    finally:
        http.shutdown()
        http.server_close()
