"""The replies to several calls at once, as they come in.

On kept connections this thread sends all requests and then waits for whichever is answered: no other thread is woken,
and none contends for the interpreter (that was half of a payment's own work, see `make bench`). Where a connection has
to be opened first, threads do that and the waiting. An answer that has begun is read to its end here, each part of it
within the host's time to answer.
"""

import select
from collections.abc import Callable
from functools import partial
from http.client import HTTPException
from queue import Empty, SimpleQueue

from payments.aws import AwsError, Sending
from payments.http import Flight, Reply
from payments.workers import Workers

NextReply = tuple[int, Reply | Exception]


class Replies:
    """The replies to one batch."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._flights: dict[int, tuple[int, Sending, Flight]] = {}
        self._poll = select.poll()
        self._delegated = False
        self._queue: SimpleQueue[NextReply] = SimpleQueue()

    def ask(self, index: int, sending: Sending) -> None:
        """Send one more."""
        flight = sending.host.begin(sending.request)
        if flight is None:
            self._delegate(index, sending.reply)
        else:
            self._flights[flight.fileno()] = (index, sending, flight)
            self._poll.register(flight.fileno(), select.POLLIN)

    def next(self, seconds: float) -> NextReply | None:
        """The next reply with the index of its request; None: none within that many seconds."""
        if not self._delegated:
            ready = self._poll.poll(seconds * 1000)
            if not ready:
                return None
            descriptor = ready[0][0]
            self._poll.unregister(descriptor)
            index, sending, flight = self._flights.pop(descriptor)
            try:
                return index, flight.land()
            except (ConnectionError, HTTPException):  # it was closed: repeat it on a new one
                self._delegate(index, sending.reply)
            except OSError:
                return index, AwsError("NoAnswer")
        self._delegate_all()
        try:
            return self._queue.get(timeout=seconds)
        except Empty:
            return None

    def leave(self) -> None:
        """Wait for no more. What was sent is on its way; its connection is used again."""
        for _, sending, flight in self._flights.values():
            sending.host.leave(flight)
        self._flights.clear()

    @property
    def sent(self) -> bool:
        """Whether all requests have left that are not answered: none waits for a connection, or for a thread."""
        return not self._delegated

    def _delegate_all(self) -> None:
        """Have the workers wait for what was sent."""
        for index, sending, flight in self._flights.values():
            self._delegate(index, partial(sending.reply, flight))
        self._flights.clear()

    def _delegate(self, index: int, reply: Callable[[], Reply]) -> None:
        self._delegated = True
        self._workers.start(partial(put, self._queue, index, reply))


def put(queue: "SimpleQueue[NextReply]", index: int, reply: Callable[[], Reply]) -> None:
    """What a worker does. Never raises."""
    try:
        queue.put((index, reply()))
    except Exception as error:  # noqa: BLE001 - whoever takes it from the queue raises it
        queue.put((index, error))
