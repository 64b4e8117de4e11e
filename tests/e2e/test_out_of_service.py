"""`payctl region out` and `in`: what clients, DNS and `payctl status` see, and when it is refused."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from payctl.environment import Environment as Opened
from payctl.environments import health as deployed
from payctl.regions import checkers, service, switch
from stacksets.errors import ToolError
from tests.e2e.support import REGIONS, Environment, region_down

pytestmark = pytest.mark.evidence

HOME, SECOND, THIRD = REGIONS


@pytest.fixture(autouse=True)
def _in_service_again(opened: Opened) -> Iterator[None]:
    yield
    for region in REGIONS:
        switch.put_in(opened, region)


def health(dev: Environment, region: str) -> tuple[int, str]:
    reply = dev.call("GET", "/health", region=region, sign_as=None)
    return reply.status, reply.body["status"]


def told(dev: Environment, *arguments: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(dev.payctl(*arguments, "--json").stdout)
    return answer


def test_a_region_goes_out_and_comes_back_and_is_asked_twice_each_time(
    dev: Environment, opened: Opened, payment: str
) -> None:
    out = ("region", "out", SECOND, "--yes", "--reason")
    first = told(dev, *out, "restoring a backup")
    assert (first["changed"], first["taken_out"]["reason"], first["dns"]) == (
        True,
        "restoring a backup",
        service.NO_DOMAIN,
    )
    assert first["health"] == {HOME: "ok", SECOND: "out", THIRD: "ok"}
    assert health(dev, SECOND) == (503, "out")
    assert dev.pay(payment, region=SECOND).status == 201, "its own address still takes payments"

    again = service.take_out(opened, SECOND, "another reason")
    assert (again.changed, asdict(again)["taken_out"]) == (False, first["taken_out"]), "who took it out first, and why"
    shown = dev.payctl("status", check=False).stdout  # alarms of other tests may be on
    for word in (
        first["taken_out"]["by"],
        first["taken_out"]["since"],
        "restoring a backup",
        f"{SECOND} is out",
        "region in",
    ):
        assert word in " ".join(shown.split()), shown
    assert json.loads(dev.payctl("status", "--json", check=False).stdout)["out"] == [first["taken_out"]]

    back = told(dev, "region", "in", SECOND, "--yes")
    assert (back["changed"], back["taken_out"], back["failure"]) == (True, None, "")
    assert health(dev, SECOND) == (200, "ok")
    assert service.put_in(opened, SECOND).changed is False
    assert switch.known(opened) == ()


def test_it_is_refused_where_fewer_than_two_regions_would_serve(dev: Environment, opened: Opened) -> None:
    switch.take_out(opened, THIRD, "first")
    refused = dev.payctl("region", "out", SECOND, "--reason", "x", "--yes", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"{SECOND} is needed" in refused.stderr, refused.stderr
    assert f"because of {THIRD} (out)" in refused.stderr, refused.stderr
    with pytest.raises(ToolError, match=f"{SECOND} is needed"):
        service.take_out(opened, SECOND, "at the same moment")  # as if both had looked before either left
    assert switch.read(opened, SECOND) is None, "it is put back"


def test_it_is_refused_while_another_region_is_lost(dev: Environment, opened: Opened) -> None:
    with region_down(dev, THIRD), pytest.raises(ToolError, match=rf"because of {THIRD} \(no answer\)"):
        service.require_out(opened, SECOND)


def test_it_is_not_put_back_while_it_cannot_serve(dev: Environment, opened: Opened) -> None:
    switch.take_out(opened, SECOND, "x")
    fault = dev.cloud.admin("POST", "/faults", {"kind": "service-down", "region": SECOND, "service": "dynamodb"})["id"]
    try:
        refused = dev.payctl("region", "in", SECOND, "--yes", check=False)
    finally:
        dev.cloud.admin("DELETE", f"/faults/{fault}")
    assert refused.returncode == 1
    assert f"{SECOND} cannot serve: GET /health says: unavailable" in refused.stderr, refused.stderr
    assert switch.read(opened, SECOND) is not None


def test_a_deployment_is_content_with_a_region_that_is_out(opened: Opened) -> None:
    switch.take_out(opened, SECOND, "x")
    assert set(deployed.health(opened)) == set(REGIONS)


@pytest.mark.parametrize("arguments", [("out", "mars-north-1", "--reason", "x"), ("out", SECOND, "--reason", " ")])
def test_bad_input_changes_nothing(dev: Environment, opened: Opened, arguments: tuple[str, ...]) -> None:
    refused = dev.payctl("region", *arguments, "--yes", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert len(refused.stderr.strip().splitlines()) == 1, refused.stderr
    assert switch.known(opened) == ()


def test_dns_is_waited_for(dev: Environment, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what Route 53 says of a health check as the template makes it, on the Region's own address."""
    api = opened.api_outputs[SECOND]["ApiId"]
    config = {
        "Type": "HTTPS",
        "FullyQualifiedDomainName": f"{api}.execute-api.{SECOND}.amazonaws.com",
        "ResourcePath": "/prod/health",
    }
    route53 = dev.client("route53")
    made = route53.create_health_check(CallerReference=api, HealthCheckConfig=config)["HealthCheck"]["Id"]
    monkeypatch.setattr(checkers, "health_check", lambda *_: made)
    assert service.take_out(opened, SECOND, "x").dns == "out: 0 of 3 health checkers find it well"
    assert service.put_in(opened, SECOND).dns == "in: 3 of 3 health checkers find it well"

    seen = iter([(9, 16), (9, 16), (3, 16), (2, 16)])
    monkeypatch.setattr(checkers, "ask", lambda *_: checkers.Checkers(well=(now := next(seen))[0], all=now[1]))
    assert service.take_out(opened, SECOND, "x").dns == "out: 2 of 16 health checkers find it well", "18 % and more"

    def unreadable(*_: Any) -> checkers.Checkers:
        raise ToolError("cannot ask the health checkers")

    monkeypatch.setattr(checkers, "ask", unreadable)
    done = service.put_in(opened, SECOND)
    assert (done.taken_out, done.failure, done.dns) == (None, "", "unknown: cannot ask the health checkers")


def test_what_dns_does_not_follow_is_said(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "DNS_SECONDS", 0.1)
    monkeypatch.setattr(checkers, "health_check", lambda *_: "check")
    monkeypatch.setattr(checkers, "ask", lambda *_: checkers.Checkers(well=16, all=16))
    done = service.take_out(opened, SECOND, "x")
    assert done.failure == "DNS has not followed: 16 of 16 health checkers find it well"
    assert done.dns.startswith("in: ")
