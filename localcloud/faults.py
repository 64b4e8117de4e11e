"""Faults on purpose, set and cleared through one small API; all off at first, and deterministic given the seed.

Below `{endpoint}/_localcloud`:

GET    /faults            {"seed": 0, "faults": [{"id": "f1", "kind": ...}]}
POST   /faults            one fault -> {"id": "f1"}; a wrong one: 400 {"error": one line}, nothing changed
DELETE /faults/{id}       clear one (404 unknown)      DELETE /faults  clear all      PUT /faults/seed {"seed": 7}
GET    /quiet             {"quiet", "replication", "objects", "events", "executions"}: what is queued or under way

Kinds, with what they do:

{"kind": "region-down", "region": R}      endpoints of R drop connections without an answer; its functions are killed,
                                          its schedules and workflows stand still, deliveries from and to it wait
{"kind": "service-down", "region": R, "service": S}   only service S of R (as signatures name it, e.g. dynamodb, s3)
{"kind": "cut", "regions": [A, B]}        nothing passes between A and B: a function's call gets no answer at all until
                                          its own timeout, replication and events wait
{"kind": "latency", "regions": [A, B], "seconds": s, "jitter": j}    each call between them takes s to s + j longer
{"kind": "lag", "seconds": s}             replication of tables and objects is delayed by s
{"kind": "slow-stacks", "seconds": s}     a StackSet operation spends s longer on each Region, as on AWS
{"kind": "undelegated", "zone": Z}        nobody on the internet is pointed to the public hosted zone Z (its name):
                                          `GET /dns/Z` below the same address says who is asked for it
{"kind": "errors", "share": 0.2, "how": "fail" | "throttle" | "lose-reply" | "conflict", "service": S,
 "operation": O or "*", "region": R or "*"}   that share of calls; a lost reply is lost after the call was carried out,
                                          a conflict is what S3 says of a conditional PutObject while another is
                                          under way (409 ConditionalRequestConflict), and of nothing else

GET    /lags              {"lists": 0.3, "roles": 2.0}    PUT /lags {"roles": 0}: the named ones; a wrong one: 400

How late the local cloud is where AWS is, in seconds; on at first, by as much as costs no noticeable time: `lists`, how
long ago StackSets' lists of operations and results were true; `roles`, how old a role must be before StackSets can use
it.

A caller's Region is that of the function whose role session signed; other callers are outside, and only region-down,
service-down and errors concern them.
"""

import itertools
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from math import inf
from typing import Any, Final

from localcloud.http import Request, Send, respond
from localcloud.network import Lags, Network, pair

Fault = dict[str, Any]
HOW: Final = ("fail", "throttle", "lose-reply", "conflict")


class WrongFaultError(ValueError):
    """A fault that cannot be set; the message is one line."""


@dataclass(frozen=True)
class Check:
    """What a member of a fault must be, in words and as a test."""

    expected: str
    holds: Callable[[Any], bool]


def _number(value: Any, most: float = inf) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


TEXT: Final = Check("a text", lambda value: isinstance(value, str) and value != "")
SECONDS: Final = Check("a number of seconds, 0 or more", _number)
TWO_REGIONS: Final = Check(
    "a list of two Regions", lambda value: isinstance(value, list) and len(value) == 2 and value[0] != value[1]
)
# By kind: its members, how each is checked, and the defaults of those that may be left out.
KINDS: Final[dict[str, tuple[dict[str, Check], Fault]]] = {
    "region-down": ({"region": TEXT}, {}),
    "service-down": ({"region": TEXT, "service": TEXT}, {}),
    "cut": ({"regions": TWO_REGIONS}, {}),
    "latency": ({"regions": TWO_REGIONS, "seconds": SECONDS, "jitter": SECONDS}, {"jitter": 0}),
    "lag": ({"seconds": SECONDS}, {}),
    "slow-stacks": ({"seconds": SECONDS}, {}),
    "undelegated": ({"zone": TEXT}, {}),
    "errors": (
        {
            "share": Check("a number from 0 to 1", lambda value: _number(value, 1)),
            "how": Check(f"one of {', '.join(HOW)}", lambda value: value in HOW),
            "service": TEXT,
            "operation": TEXT,
            "region": TEXT,
        },
        {"operation": "*", "region": "*"},
    ),
}


def checked(fault: Any) -> Fault:
    """The fault with its defaults; raises WrongFaultError."""
    if not isinstance(fault, dict) or fault.get("kind") not in KINDS:
        raise WrongFaultError(f"kind must be one of {', '.join(KINDS)}")
    checks, defaults = KINDS[fault["kind"]]
    complete = {**defaults, **fault}
    complete.pop("id", None)
    if wrong := set(complete) - set(checks) - {"kind"}:
        raise WrongFaultError(f"{fault['kind']} has no {', '.join(sorted(wrong))}")
    if missing := set(checks) - set(complete):
        raise WrongFaultError(f"{fault['kind']} needs {', '.join(sorted(missing))}")
    for name, check in checks.items():
        if not check.holds(complete[name]):
            raise WrongFaultError(f"{name} must be {check.expected}")
    return complete


@dataclass
class Faults:
    """The faults set, applied to the network; `errors` are left for each call to ask about.

    `kill` ends the function processes of a Region.
    """

    network: Network
    kill: Callable[[str], None]
    seed: int = 0
    present: dict[str, Fault] = field(default_factory=dict)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    dice: random.Random = field(default_factory=lambda: random.Random(0))

    async def serve(self, request: Request, path: str, send: Send) -> None:
        """Answer one request of the API above; `path` is what follows `/_localcloud/faults`."""
        name = path.removeprefix("/")
        if request.method == "GET" and not name:
            shown = [{"id": number, **fault} for number, fault in self.present.items()]
            await respond(send, 200, {"seed": self.seed, "faults": shown})
        elif request.method == "DELETE":
            known = self.clear(name)
            await respond(send, 200 if known else 404, {} if known else {"error": f"no fault {name}"})
        elif request.method in ("POST", "PUT"):
            try:
                body = request.json()
                answer = {"seed": self.reseed(body)} if name == "seed" else {"id": self.add(body)}
                await respond(send, 200, answer)
            except ValueError as error:
                await respond(send, 400, {"error": str(error)})
        else:
            await respond(send, 405, {"error": f"{request.method} is not offered"})

    def add(self, fault: Any) -> str:
        """Set a fault and return its id; raises WrongFaultError."""
        complete = checked(fault)
        name = f"f{next(self.numbers)}"
        self.present[name] = complete
        self._apply()
        if complete["kind"] == "region-down":
            self.kill(complete["region"])
        return name

    def clear(self, name: str) -> bool:
        """Clear one fault, or all when the name is empty; False when there is none of that id."""
        if not name:
            self.present.clear()
        elif self.present.pop(name, None) is None:
            return False
        self._apply()
        return True

    def reseed(self, body: Any) -> int:
        """Restart the random numbers from `{"seed": number}` and return it; raises WrongFaultError."""
        seed = body.get("seed") if isinstance(body, dict) else None
        if not isinstance(seed, int):
            raise WrongFaultError("seed must be a whole number")
        self.seed = seed
        self.dice, self.network.dice = random.Random(seed), random.Random(seed)
        return seed

    def error(self, service: str, operation: str, region: str) -> str | None:
        """How this call is to go wrong, if it is."""
        for fault in self._of_kind("errors"):
            concerned = fault["service"] == service and fault["operation"] in ("*", operation)
            if concerned and fault["region"] in ("*", region) and self.dice.random() < fault["share"]:
                how: str = fault["how"]
                return how
        return None

    def _of_kind(self, kind: str) -> list[Fault]:
        return [fault for fault in self.present.values() if fault["kind"] == kind]

    def _apply(self) -> None:
        network = self.network
        network.down = {fault["region"] for fault in self._of_kind("region-down")}
        network.services_down = {(fault["region"], fault["service"]) for fault in self._of_kind("service-down")}
        network.cut = {pair(*fault["regions"]) for fault in self._of_kind("cut")}
        network.latency = {
            pair(*fault["regions"]): (fault["seconds"], fault["jitter"]) for fault in self._of_kind("latency")
        }
        network.undelegated = {fault["zone"].rstrip(".") for fault in self._of_kind("undelegated")}
        network.replication_lag = max((fault["seconds"] for fault in self._of_kind("lag")), default=0.0)
        network.stack_seconds = max((fault["seconds"] for fault in self._of_kind("slow-stacks")), default=0.0)


async def serve_lags(lags: Lags, request: Request, send: Send) -> None:
    """Answer one request to `/_localcloud/lags`."""
    if request.method not in ("GET", "PUT"):
        await respond(send, 405, {"error": f"{request.method} is not offered"})
        return
    try:
        if request.method == "PUT":
            _set_lags(lags, request.json())
    except ValueError as error:
        await respond(send, 400, {"error": str(error)})
        return
    await respond(send, 200, asdict(lags))


def _set_lags(lags: Lags, wanted: Any) -> None:
    names = {each.name for each in fields(lags)}
    if not isinstance(wanted, dict) or not wanted.keys() <= names:
        raise WrongFaultError(f"only {', '.join(sorted(names))} can be set")
    for name, seconds in wanted.items():
        if not SECONDS.holds(seconds):
            raise WrongFaultError(f"{name} must be {SECONDS.expected}")
    for name, seconds in wanted.items():
        setattr(lags, name, float(seconds))
