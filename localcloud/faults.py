"""Faults on purpose, set and cleared through one small API; all off at first, and deterministic given the seed.

Below `{endpoint}/_localcloud`:

GET    /faults            {"seed": 0, "faults": [{"id": "f1", "kind": ...}]}
POST   /faults            one fault -> {"id": "f1"}; a wrong one: 400 {"error": one line}, nothing changed
DELETE /faults/{id}       clear one (404 unknown)      DELETE /faults  clear all      PUT /faults/seed {"seed": 7}
GET    /quiet             {"quiet", "replication", "objects", "events", "executions"}: what is queued or under way

Kinds, with what they do:

{"kind": "region-down", "region": R}      endpoints of R drop connections without answer; its functions are killed, its
                                          schedules and workflows stand still, deliveries from and to it wait
{"kind": "service-down", "region": R, "service": S}   only service S of R (as signatures name it, e.g. dynamodb, s3)
{"kind": "cut", "regions": [A, B]}        nothing passes between A and B: a function's call gets no answer at all until
                                          its own timeout, replication and events wait
{"kind": "latency", "regions": [A, B], "seconds": s, "jitter": j}    each call between them takes s to s + j longer
{"kind": "lag", "seconds": s}             replication of tables and objects is that late
{"kind": "errors", "share": 0.2, "how": "fail" | "throttle" | "lose-reply", "service": S, "operation": O or "*",
 "region": R or "*"}                      that share of calls; a lost reply is lost after the call was carried out

A caller's Region is that of the function whose role session signed; other callers are outside, and only region-down,
service-down and errors concern them.
"""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from localcloud import deliveries
from localcloud.gaps import eventbridge as event_buses
from localcloud.gaps import lambda_ as functions
from localcloud.gaps import stepfunctions as workflows
from localcloud.http import Request, Send, respond
from localcloud.network import NETWORK, pair

Fault = dict[str, Any]
HOW: Final = ("fail", "throttle", "lose-reply")


class WrongFaultError(ValueError):
    """A fault that cannot be set; the message is one line."""


def _text(fault: Fault, name: str) -> None:
    if not isinstance(fault[name], str) or not fault[name]:
        raise WrongFaultError(f"{name} must be a text")


def _two_regions(fault: Fault, name: str) -> None:
    value = fault[name]
    if not isinstance(value, list) or len(value) != 2 or value[0] == value[1]:
        raise WrongFaultError(f"{name} must be a list of two Regions")


def _seconds(fault: Fault, name: str) -> None:
    if isinstance(fault[name], bool) or not isinstance(fault[name], int | float) or fault[name] < 0:
        raise WrongFaultError(f"{name} must be a number of seconds, 0 or more")


def _share(fault: Fault, name: str) -> None:
    if isinstance(fault[name], bool) or not isinstance(fault[name], int | float) or not 0 <= fault[name] <= 1:
        raise WrongFaultError(f"{name} must be a number from 0 to 1")


def _how(fault: Fault, name: str) -> None:
    if fault[name] not in HOW:
        raise WrongFaultError(f"{name} must be one of {', '.join(HOW)}")


Check = Callable[[Fault, str], None]
# By kind: its members, how each is checked, and what is assumed where it may be left out.
KINDS: Final[dict[str, tuple[dict[str, Check], Fault]]] = {
    "region-down": ({"region": _text}, {}),
    "service-down": ({"region": _text, "service": _text}, {}),
    "cut": ({"regions": _two_regions}, {}),
    "latency": ({"regions": _two_regions, "seconds": _seconds, "jitter": _seconds}, {"jitter": 0}),
    "lag": ({"seconds": _seconds}, {}),
    "errors": (
        {"share": _share, "how": _how, "service": _text, "operation": _text, "region": _text},
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
        check(complete, name)
    return complete


@dataclass
class Faults:
    """The faults set, applied to the network; `errors` are left for each call to ask about."""

    seed: int = 0
    present: dict[str, Fault] = field(default_factory=dict)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    dice: random.Random = field(default_factory=lambda: random.Random(0))

    def add(self, fault: Any) -> str:
        """Set a fault and return its id; raises WrongFaultError."""
        complete = checked(fault)
        name = f"f{next(self.numbers)}"
        self.present[name] = complete
        self._apply()
        if complete["kind"] == "region-down":
            functions.kill(complete["region"])
        return name

    def clear(self, name: str | None = None) -> bool:
        """Clear one fault, or all; False when there is none of that id."""
        if name is None:
            self.present.clear()
        elif self.present.pop(name, None) is None:
            return False
        self._apply()
        return True

    def reseed(self, seed: int) -> None:
        """Begin the chances anew."""
        self.seed = seed
        self.dice, NETWORK.dice = random.Random(seed), random.Random(seed)

    def of_kind(self, kind: str) -> list[Fault]:
        return [fault for fault in self.present.values() if fault["kind"] == kind]

    def error(self, service: str, operation: str, region: str) -> str | None:
        """How this call shall go wrong, if it shall."""
        for fault in self.of_kind("errors"):
            concerned = fault["service"] == service and fault["operation"] in ("*", operation)
            if concerned and fault["region"] in ("*", region) and self.dice.random() < fault["share"]:
                how: str = fault["how"]
                return how
        return None

    def _apply(self) -> None:
        NETWORK.down = {fault["region"] for fault in self.of_kind("region-down")}
        NETWORK.services_down = {(fault["region"], fault["service"]) for fault in self.of_kind("service-down")}
        NETWORK.cut = {pair(*fault["regions"]) for fault in self.of_kind("cut")}
        NETWORK.latency = {
            pair(*fault["regions"]): (fault["seconds"], fault["jitter"]) for fault in self.of_kind("latency")
        }
        NETWORK.replication_lag = max((fault["seconds"] for fault in self.of_kind("lag")), default=0.0)


FAULTS = Faults()


def quiet() -> dict[str, Any]:
    """What is queued or under way between and in the Regions."""
    waiting = {
        "replication": deliveries.pending("table"),
        "objects": deliveries.pending("object"),
        "events": deliveries.pending("event") + deliveries.pending("notification") + event_buses.retrying(),
        "executions": workflows.running(),
    }
    return {"quiet": not any(waiting.values()), **waiting}


async def serve(request: Request, path: str, send: Send) -> None:
    """Answer one request of the API above; `path` is what follows `/_localcloud/faults`."""
    if request.method == "GET" and not path:
        shown = [{"id": name, **fault} for name, fault in FAULTS.present.items()]
        await respond(send, 200, {"seed": FAULTS.seed, "faults": shown})
    elif request.method == "DELETE":
        found = FAULTS.clear(path.removeprefix("/") or None)
        await respond(send, 200 if found else 404, {} if found else {"error": f"no fault {path.removeprefix('/')}"})
    elif request.method in ("POST", "PUT"):
        try:
            await respond(send, 200, _set(path, request.json()))
        except ValueError as error:
            await respond(send, 400, {"error": str(error)})
    else:
        await respond(send, 405, {"error": f"{request.method} is not offered"})


def _set(path: str, body: Any) -> dict[str, Any]:
    if path == "/seed":
        seed = body.get("seed") if isinstance(body, dict) else None
        if not isinstance(seed, int):
            raise WrongFaultError("seed must be a whole number")
        FAULTS.reseed(seed)
        return {"seed": seed}
    return {"id": FAULTS.add(body)}
