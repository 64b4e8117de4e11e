"""A run of a flow, and a request on its way whose sender does not wait for it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from payments.protocol.ports import Flow, Request

End = Callable[[Any], None]


def unheard(_: Any) -> None:
    """The end of a worker that nobody waits for."""


class Worker:
    """One run of a flow in one Region. Its batch is done request by request, in any order, between those of others."""

    __slots__ = ("answers", "batch", "began", "end", "flow", "name", "oldest", "operator", "region", "waiting")

    def __init__(
        self, name: str, region: str, flow: Flow[Any], end: End, *, began: float, oldest: float, operator: bool
    ):
        self.name, self.region, self.flow, self.end = name, region, flow, end
        self.began, self.oldest, self.operator = began, oldest, operator
        self.batch: tuple[Request, ...] = ()
        self.answers: list[Any] = []
        self.waiting: list[int] = []


class Late(NamedTuple):
    """A request on its way whose sender does not wait for it; it arrives between `earliest` and `latest`."""

    region: str
    request: Request
    earliest: float
    latest: float
