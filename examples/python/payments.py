"""Pays once, whatever happens to a Region: a client of the API, to read and to copy (docs/integrate.md).

    pip install boto3
    payctl outputs > outputs.json
    python payments.py outputs.json orders.jsonl [SECONDS]

Each line of the orders is a transaction with an id of its own. They are final when the program ends with 0; run it
again with the same file, as often as you like: nothing is charged twice.
"""

import json
import random
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import get_session

Answer = tuple[int, Mapping[str, str], dict[str, Any]]
"""Status, headers and body."""
OPEN = ("PENDING", "IN_DOUBT")
AVOID_SECONDS = 30.0
"""How long a Region is tried last after it failed to answer."""
LONGEST_PAUSE = 5.0
# The API answers within 10 seconds, or not at all.
TIMEOUT = urllib3.Timeout(connect=2, read=12)


class RefusedError(Exception):
    """This payment was not made. The request, or who signed it, has to change first."""


class UnknownError(Exception):
    """Nobody knows yet: it may have been charged. Keep the id, and try again later with the same one."""


class Payments:
    """The API of an environment. `addresses` by Region, the nearest first; `patience` in seconds for one payment."""

    def __init__(self, addresses: Mapping[str, str], credentials: Any, patience: float = 120.0) -> None:
        self.addresses = addresses
        self.credentials = credentials
        self.patience = patience
        self._avoid = dict.fromkeys(addresses, 0.0)
        self._http = urllib3.PoolManager(maxsize=16, timeout=TIMEOUT, retries=False)

    def pay(self, transaction: Mapping[str, Any]) -> dict[str, Any]:
        """Make a payment that was stored before, id and all; the final payment. Raises RefusedError, UnknownError."""
        unsure = False
        for region, turn in self._turns():
            status, headers, body = self._send("POST", region, "/payments", {"transaction": transaction})
            match status:
                case 200 | 201:
                    return body
                case 202:
                    return self.wait(transaction["id"])
                case 422:  # for good, whatever went before
                    raise RefusedError(body["detail"])
                case 409 | 429:
                    pass
                case _ if 400 <= status < 500:
                    # After a request without an answer this refuses the repeat, and says nothing of the first.
                    raise (UnknownError if unsure else RefusedError)(f"{status}: {json.dumps(body)}")
                case _:
                    unsure = True
            _rest(turn, headers)
        raise UnknownError(f"no Region knew within {self.patience:g} s")

    def wait(self, payment_id: str) -> dict[str, Any]:
        """Read a payment that was accepted until it is final. Raises UnknownError."""
        last = "unread"
        for region, turn in self._turns():
            status, headers, body = self._send("GET", region, f"/payments/{quote(payment_id, safe='')}")
            if status == 200 and body["status"] not in OPEN:
                return body
            last = body["status"] if status == 200 else last
            _rest(turn, headers)
        raise UnknownError(f"accepted, and after {self.patience:g} s {last}")

    def _turns(self) -> Iterator[tuple[str, int]]:
        """Which Region to ask, time after time, until patience ends: the nearest that is well, else the one that failed
        longest ago."""
        until = time.monotonic() + self.patience
        turn = 0
        while (now := time.monotonic()) < until:
            yield min(self.addresses, key=lambda region: max(self._avoid[region] - now, 0)), turn
            turn += 1

    def _send(self, method: str, region: str, path: str, value: Any = None) -> Answer:
        """One request, signed for its Region and for now; status 0 where there was no answer."""
        url = self.addresses[region] + path
        body = None if value is None else json.dumps(value)
        kind = {} if value is None else {"Content-Type": "application/json"}
        request = AWSRequest(method=method, url=url, data=body, headers=kind)
        SigV4Auth(self.credentials.get_frozen_credentials(), "execute-api", region).add_auth(request)
        try:
            answer = self._http.request(method, url, body=body, headers=dict(request.headers))
            told: Answer = answer.status, answer.headers, json.loads(answer.data)
        except (urllib3.exceptions.HTTPError, ValueError):
            told = 0, {}, {}
        if told[0] == 0 or told[0] >= 500:
            self._avoid[region] = time.monotonic() + AVOID_SECONDS
        return told


def _rest(turn: int, headers: Mapping[str, str]) -> None:
    """Wait as long as the API asks for, at least; longer each time, and never in step with other clients."""
    pause = max(min(0.1 * 2**turn, LONGEST_PAUSE), float(headers.get("Retry-After", 0)))
    time.sleep(pause * random.uniform(0.5, 1.5))


def main(outputs: str, orders: str, patience: str = "120") -> int:
    """Pay every order; a line for each as it ends."""
    addresses = json.loads(Path(outputs).read_text(encoding="utf-8"))["api_endpoints"]
    transactions = [json.loads(line) for line in Path(orders).read_text(encoding="utf-8").splitlines() if line]
    payments = Payments(addresses, get_session().get_credentials(), float(patience))

    def settle(transaction: Mapping[str, Any]) -> bool:
        try:
            end = {"status": payments.pay(transaction)["status"]}
        except (RefusedError, UnknownError) as error:
            end = {"status": type(error).__name__.removesuffix("Error").upper(), "detail": str(error)}
        print(json.dumps({"id": transaction["id"], **end}) + "\n", end="", flush=True)  # threads print whole lines
        return "detail" not in end

    with ThreadPoolExecutor(4) as pool:
        return 0 if all(list(pool.map(settle, transactions))) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
