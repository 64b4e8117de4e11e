"""A Region is lost while many clients post the same payment: how many hear "outcome unknown", and how it ends."""

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from payments import api

from tests.e2e.support import REGIONS, Environment, Reply, region_down

CLIENTS = 20
LIMIT_SECONDS = 60
"""A janitor takes over what posts left undecided, after 30 s and more."""


def test_twenty_posts_of_one_payment_with_a_region_down(
    dev: Environment, payment: str, pool: ThreadPoolExecutor, record_property: Callable[[str, object], None]
) -> None:
    def hear(client: int) -> list[Reply]:
        """What a client hears that repeats, in either Region and as late as it is told to, until it knows the end."""
        replies: list[Reply] = []
        until = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < until:
            replies.append(dev.pay(payment, region=REGIONS[(client + len(replies)) % 2]))
            if replies[-1].status in (200, 201):
                break
            time.sleep(random.uniform(0.5, 1.5) * api.RETRY_AFTER[replies[-1].status])
        return replies

    with region_down(dev, REGIONS[2]):
        heard = list(pool.map(hear, range(CLIENTS)))
    first = [replies[0] for replies in heard]
    assert {reply.status for reply in first} <= {200, 201, 202, 503}, Counter(reply.status for reply in first)
    assert {replies[-1].status for replies in heard} <= {200, 201}, [[r.status for r in replies] for replies in heard]
    undecided = sum(reply.body["detail"] == api.UNKNOWN for reply in first if reply.status == 503)
    share = sum(reply.status == 503 for reply in first)
    record_property(
        f"{CLIENTS} posts of one payment with a Region down",
        f"{share / CLIENTS:.0%} hear 503 at first ({undecided} of {share} because too few Regions agreed, the others "
        f"were throttled); each hears 200 or 201 after at most {max(map(len, heard))} posts",
    )
    assert dev.settled_everywhere(payment)["Status"] == {"S": "SETTLED"}
