"""`python -m tests.drills.anew`: a Region lost for good and made anew under load, with a custom domain.

The other two serve throughout, and nothing of theirs is deleted; no payment is lost or charged twice, and no answer
contradicts another; at the end every Region is linked and has its register back, and there is nothing left to plan.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

import localcloud
from payctl.drills.client_log import Answer
from payctl.drills.history import contradictions, in_words
from payctl.payments.rejoin import LIFE_SECONDS
from tests.drills import support
from tests.drills.support import REGIONS, Site

LOST = REGIONS[1]
OTHERS = (REGIONS[0], REGIONS[2])
BEFORE_SECONDS = 15.0  # of load before the loss
GAP_SECONDS = 5.0  # that a healthy Region may accept nothing, with load on it
FINISH_SECONDS = 180.0  # for what was under way at the end
ACCEPTED_SHARE = 0.99  # the rest gave up on two Regions with two functions each: throttled, as their settings say


def main() -> int:
    """Exit code 1 when one of the rules is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills.anew", description=__doc__)
    parser.add_argument("--rate", default=20.0, type=float)
    parser.add_argument("--seconds", default=240.0, type=float)
    options = parser.parse_args()
    with localcloud.running() as cloud, tempfile.TemporaryDirectory(prefix="anew-") as folder:
        support.bootstrap(cloud)
        route53 = client(cloud, "route53", REGIONS[0])
        zone = route53.create_hosted_zone(Name="anew.example", CallerReference="anew")["HostedZone"]["Id"]
        domain = {"name": '"pay.anew.example"', "hosted_zone_id": f'"{zone.rpartition("/")[2]}"'}
        site = support.deploy(cloud, "anew", Path(folder), deduplicates="true", **domain)
        cloud.admin("PUT", "/processor/admin", {"honour_keys": True})
        support.warm_up(site)
        told = run(site, options.rate, options.seconds)
        wrong = [text for text, broken in rules(site, told) if broken]
    print("\n".join(f"FAILED: {text}" for text in wrong) or "PASSED")
    return int(bool(wrong))


def run(site: Site, rate: float, seconds: float) -> dict[str, Any]:
    """Load, loss, recovery. What the clients saw, and what happened to the stacks of the others meanwhile."""
    seen = {region: {event["EventId"] for event in events(site, region)} for region in OTHERS}
    began = time.monotonic()
    with site.start("pay", "--rate", str(rate), "--for", f"{seconds}s", "--json") as traffic:
        time.sleep(BEFORE_SECONDS)
        lose(site)
        say(began, f"{LOST} is gone")
        step(site, began, "deploy", "--yes", "--no-lint", "--recreate", LOST)
        forget_those_who_asked(site)
        step(site, began, "rejoin", LOST, "--yes")
        told: dict[str, Any] = json.loads(traffic.communicate()[0])
    say(began, f"{told['payments']} payments, {told['outcomes']}, answers {told['answers']}")
    step(site, began, "reconcile", "--repair", "--min-age", "0", accept=(0, 2))
    until = time.monotonic() + FINISH_SECONDS
    while unsettled(site, told) and time.monotonic() < until:
        time.sleep(2)
    fresh = {region: [e for e in events(site, region) if e["EventId"] not in seen[region]] for region in OTHERS}
    return told | {"events": fresh, "log": told["log"]}


def rules(site: Site, told: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """What must hold, each with whether it does not."""
    counted = site.cloud.admin("GET", "/processor/admin")["by_reference"]
    charges = Counter(counted.get(payment, 0) for payment in accepted(told))
    others = {answer["payment"] for answer in told["log"]} - accepted(told)
    unshown = others - records(site)
    share = len(accepted(told)) / told["payments"]
    lies = ["; ".join(map(in_words, proof)) for proof in contradictions(Answer(**a) for a in told["log"]).values()]
    yield f"nearly every payment is accepted: {share:.2%} of {told['payments']}", share < ACCEPTED_SHARE
    yield f"no answer contradicts another: {lies[:3]}", bool(lies)
    yield f"no accepted payment is lost: {unsettled(site, told)}", bool(unsettled(site, told))
    yield f"every accepted payment is charged once: {dict(charges)}", set(charges) != {1}
    wrong = {payment: counted[payment] for payment in others if counted.get(payment, 0) > (payment not in unshown)}
    yield f"of the others none is charged twice, or charged and not shown: {wrong}", bool(wrong)
    for region in OTHERS:
        gap = longest_gap(told["log"], region)
        yield f"{region} serves throughout: {gap:.1f} s without an answer", gap > GAP_SECONDS
        deleted = [e["LogicalResourceId"] for e in told["events"][region] if "DELETE" in e["ResourceStatus"]]
        yield f"nothing in {region} is deleted: {deleted}", bool(deleted)
    for command in (("plan",), ("reconcile", "--min-age", "0")):
        done = site.payctl(*command)
        yield f"payctl {' '.join(command)} exits with 0: {done.stdout}{done.stderr}", done.returncode != 0
    state = json.loads(site.payctl("status", "--json").stdout)
    yield f"every Region is linked: {state}", not (state["deployed"] and state["linked"])


def lose(site: Site) -> None:
    """Delete the Region's stack with all it holds, while the others go on and copy into it."""
    cloudformation, s3 = client(site.cloud, "cloudformation", LOST), client(site.cloud, "s3", LOST)
    stack, bucket = stack_of(site, LOST), f"payment-receipts-{LOST}-{site.name}-{localcloud.client.ACCOUNT}"
    while cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"] != "DELETE_COMPLETE":
        try:
            page = s3.list_object_versions(Bucket=bucket)
            for version in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
                s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
        except ClientError:
            pass  # the bucket is gone
        status = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        if not status.startswith("DELETE_") or status == "DELETE_FAILED":
            cloudformation.delete_stack(StackName=stack)
        time.sleep(0.2)


def forget_those_who_asked(site: Site) -> None:
    """As if a quarter of an hour had passed since the bar: every function that asked the old register has ended."""
    for region in OTHERS:
        client(site.cloud, "dynamodb", region).update_item(
            TableName=f"payment-register-{region}-{site.name}",
            Key={"TransactionId": {"S": ":register"}},
            UpdateExpression="SET since = since - :ended",
            ExpressionAttributeValues={":ended": {"N": str(int(LIFE_SECONDS))}},
        )


def accepted(told: dict[str, Any]) -> set[str]:
    """The payments that a client was told to be accepted or settled."""
    return {answer["payment"] for answer in told["log"] if answer["status"] in (200, 201, 202)}


def records(site: Site) -> set[str]:
    """The payments with a public record at home."""
    table = client(site.cloud, "dynamodb", REGIONS[0])
    pages = table.get_paginator("scan").paginate(TableName=f"payments-{site.name}", ConsistentRead=True)
    return {item["TransactionId"]["S"] for page in pages for item in page["Items"]}


def unsettled(site: Site, told: dict[str, Any]) -> list[str]:
    """The accepted payments without a public record at home."""
    return sorted(accepted(told) - records(site))


def longest_gap(log: list[dict[str, Any]], region: str) -> float:
    """Seconds between two payments that a Region took, at most."""
    took = sorted(a["at"] for a in log if a["region"] == region and a["method"] == "POST" and 200 <= a["status"] < 300)
    return max((after - before for before, after in itertools.pairwise(took)), default=float("inf"))


def stack_of(site: Site, region: str) -> str:
    pages = client(site.cloud, "cloudformation", region).list_stacks()["StackSummaries"]
    (stack,) = (
        each["StackId"]
        for each in pages
        if each["StackName"].startswith(f"StackSet-payments-{site.name}-") and each["StackStatus"] != "DELETE_COMPLETE"
    )
    return str(stack)


def events(site: Site, region: str) -> list[dict[str, Any]]:
    """Everything that happened to a Region's stack."""
    pages = client(site.cloud, "cloudformation", region).get_paginator("describe_stack_events")
    return [e for page in pages.paginate(StackName=stack_of(site, region)) for e in page["StackEvents"]]


def step(site: Site, began: float, *command: str, accept: tuple[int, ...] = (0,)) -> None:
    done = site.payctl(*command)
    assert done.returncode in accept, f"payctl {' '.join(command)}: {done.stdout}\n{done.stderr}"
    say(began, f"payctl {' '.join(command)}")


def say(began: float, text: str) -> None:
    print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)


def client(cloud: localcloud.LocalCloud, service: str, region: str) -> Any:
    make: Any = boto3.client  # its overloads want the service's name as a literal
    return make(service, region_name=region, endpoint_url=cloud.endpoint, **localcloud.ROOT)


if __name__ == "__main__":
    sys.exit(main())
