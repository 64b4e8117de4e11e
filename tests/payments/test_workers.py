"""Threads for small jobs: as many as are needed and no more, and a free one before a new one."""

import threading

from payments.workers import Workers

from tests.localcloud.conftest import eventually

LIMIT = 5.0
"""Seconds until a job that is not done counts as lost."""


class Jobs:
    """Jobs that wait until they may end."""

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.may_end = threading.Semaphore(0)
        self.done: list[int] = []

    def __call__(self) -> None:
        assert threading.current_thread().daemon, "it would keep the process alive"
        self.threads.append(threading.get_ident())
        self.may_end.acquire(timeout=LIMIT)
        self.done.append(threading.get_ident())


def test_as_many_jobs_run_at_once_as_there_may_be_threads_and_the_others_wait() -> None:
    workers, jobs = Workers(2), Jobs()
    for _ in range(5):
        workers.start(jobs)
    eventually(lambda: len(jobs.threads) == 2, seconds=LIMIT)
    jobs.may_end.release()
    eventually(lambda: len(jobs.threads) == 3, seconds=LIMIT)
    assert len(jobs.done) == 1, "two at once"
    jobs.may_end.release(4)
    eventually(lambda: len(jobs.done) == 5, seconds=LIMIT)
    assert len(set(jobs.threads)) == 2


def test_a_free_thread_comes_before_a_new_one() -> None:
    workers, jobs = Workers(3), Jobs()
    for started in range(1, 5):
        workers.start(jobs)
        eventually(lambda started=started: len(jobs.threads) == started, seconds=LIMIT)  # type: ignore[misc]
        jobs.may_end.release()
        eventually(lambda: workers._free == 1, seconds=LIMIT)
    assert len(set(jobs.threads)) == 1
    for _ in range(2):
        workers.start(jobs)
    eventually(lambda: len(jobs.threads) == 6, seconds=LIMIT)
    assert len(set(jobs.threads)) == 2, "one is free, and one is new"
    jobs.may_end.release(2)
    eventually(lambda: workers._free == 2, seconds=LIMIT)
