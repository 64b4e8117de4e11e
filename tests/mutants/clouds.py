"""Local clouds for the processes that judge, one for each: tests tell its sandbox processor what to do, and count what
it was asked. What another process did meanwhile would kill mutants that no test sees."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import boto3

import localcloud
from localcloud.client import LocalCloud


@contextmanager
def clouds(count: int) -> Iterator[None]:
    """Have `localcloud.running` give each process that is forked off one of so many, which no other has meanwhile."""
    running = localcloud.running
    with TemporaryDirectory() as folder, ExitStack() as started:
        made = [started.enter_context(running()) for _ in range(count)]
        for service in ("dynamodb", "s3"):  # whose descriptions no process has to read then
            boto3.client(service, region_name="us-east-1", **localcloud.ROOT)  # type: ignore[call-overload]
        taken = cache(lambda: free(made, Path(folder)))  # never called before the fork: each process has its own
        localcloud.running = lambda *_, **__: nullcontext(taken())  # type: ignore[assignment]
        try:
            yield
        finally:
            localcloud.running = running


def free(made: list[LocalCloud], folder: Path) -> LocalCloud:
    """One that nobody uses, as good as new: whoever had it may have been ended amid a test."""
    while True:
        for cloud in made:
            if locked(folder / str(cloud.port)):
                cloud.admin("DELETE", "/processor/admin")
                return cloud
        time.sleep(0.05)  # one that was ended is still on its way out


def locked(path: Path) -> bool:
    """Whether this process has it from now on, until it ends (flock(2))."""
    file = os.open(path, os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    return True
