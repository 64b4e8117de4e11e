"""The sandbox payment processor, over HTTP as the payment function calls it."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from typing import Any

import pytest

import localcloud

CHARGE = {"amount": 9999, "currency": "USD", "reference": "T1"}


class Processor:
    def __init__(self, cloud: localcloud.LocalCloud) -> None:
        self.cloud = cloud

    def call(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any, Message]:
        request = urllib.request.Request(  # noqa: S310
            f"{self.cloud.admin_url}/processor{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": "Bearer sandbox-secret", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return answer.status, json.load(answer), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, json.load(error), error.headers

    def charge(self, key: str, **changed: Any) -> tuple[int, Any, Message]:
        return self.call("POST", "/charges", {**CHARGE, **changed}, **{"Idempotency-Key": key})

    def behave(self, **behaviour: Any) -> None:
        self.cloud.admin("PUT", "/processor/admin", behaviour)

    @property
    def report(self) -> Any:
        return self.cloud.admin("GET", "/processor/admin")


@pytest.fixture
def processor(cloud: localcloud.LocalCloud) -> Iterator[Processor]:
    cloud.admin("DELETE", "/processor/admin")
    yield Processor(cloud)
    cloud.admin("DELETE", "/processor/admin")


def test_a_key_is_charged_once(processor: Processor) -> None:
    """The same request again gets the same answer."""
    first = processor.charge("k1")
    assert (first[0], first[1]["status"]) == (201, "succeeded")
    again = processor.charge("k1")
    assert (again[:2], again[2]["Idempotent-Replayed"]) == (first[:2], "true")
    assert (processor.report["charges"], processor.report["by_key"]) == (1, {"k1": 1})


def test_a_key_with_another_payload_is_refused(processor: Processor) -> None:
    processor.charge("k1")
    assert processor.charge("k1", amount=1)[0] == 422
    assert processor.report["charges"] == 1


def test_wrong_requests_charge_nothing(processor: Processor) -> None:
    assert processor.call("POST", "/charges", CHARGE)[0] == 400
    assert processor.call("POST", "/charges", {"amount": "9"}, **{"Idempotency-Key": "k"})[0] == 400
    assert processor.call("POST", "/charges", CHARGE, Authorization="Bearer wrong")[0] == 401
    assert processor.report["charges"] == 0


def test_a_lost_reply_has_charged_and_a_lost_request_has_not(processor: Processor) -> None:
    """Neither gives an answer; only the lookup shows the difference."""
    processor.behave(lose_reply_share=1)
    with pytest.raises((http.client.RemoteDisconnected, urllib.error.URLError, ConnectionError)):
        processor.charge("k1")
    processor.behave(lose_reply_share=0, lose_request_share=1)
    with pytest.raises((http.client.RemoteDisconnected, urllib.error.URLError, ConnectionError)):
        processor.charge("k2")
    assert processor.call("GET", "/charges/k1")[1]["status"] == "succeeded"
    assert processor.call("GET", "/charges/k2")[:2] == (404, {"status": "unknown", "key": "k2"})
    processor.behave(lose_request_share=0)
    assert processor.charge("k1")[0] == 201
    assert processor.report["charges"] == 1


def test_it_fails_and_declines_when_told(processor: Processor) -> None:
    processor.behave(fail=503, only="T9")
    assert processor.charge("k1", reference="T9")[0] == 503
    assert processor.charge("k1")[0] == 201
    processor.behave(fail=0, only="", decline_share=1)
    assert (processor.charge("k2")[0], processor.charge("k2")[0]) == (402, 402)
    assert processor.report["charges"] == 1


def test_a_processor_that_forgets_keys_charges_twice(processor: Processor) -> None:
    processor.behave(honour_keys=False)
    processor.charge("k1")
    processor.charge("k1")
    assert (processor.report["charges"], processor.report["twice"]) == (2, ["T1"])


def test_a_key_in_work_is_not_worked_on_again(processor: Processor) -> None:
    processor.behave(delay=0.5)
    with ThreadPoolExecutor(5) as pool:
        statuses = sorted(status for status, _, _ in pool.map(processor.charge, ["k1"] * 5))
    assert statuses == [201, 409, 409, 409, 409]


def test_a_cancelled_key_is_never_charged(processor: Processor) -> None:
    assert processor.call("POST", "/charges/k1/cancel")[:2] == (200, {"status": "cancelled", "key": "k1"})
    assert processor.charge("k1")[0] == 410
    processor.charge("k2")
    assert processor.call("POST", "/charges/k2/cancel")[0] == 409
    assert processor.report["by_key"] == {"k2": 1}


def test_unknown_behaviour_is_refused(processor: Processor) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        processor.behave(explode=True)
    assert error.value.code == 400
