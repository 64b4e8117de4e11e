"""On AWS nothing is broken by accident: one clear line, unless it is asked for by name."""

from pathlib import Path
from typing import Any

import pytest

from builder import settings
from payctl.cloud import Cloud
from payctl.drills import injectors
from payctl.drills.local_cloud import LocalCloud
from payctl.drills.scenarios import Outage
from payctl.environment import Environment
from stacksets.errors import ToolError
from stacksets.progress import Silent
from stacksets.waiting import Pace

ROOT = Path(__file__).parents[2]
SETTINGS = settings.load(ROOT / "deployment.toml", {})


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return Cloud.of(SETTINGS, environ={})


def test_faults_are_refused_on_aws(aws: Cloud) -> None:
    with pytest.raises(ToolError, match=r"local cloud only.*add --local"):
        LocalCloud.of(aws, "faults")


def test_a_drill_on_aws_needs_consent_and_the_means(aws: Cloud) -> None:
    with pytest.raises(ToolError, match=r"this is AWS.*--i-know-this-breaks-things"):
        injectors.require_consent(aws, "region-loss", consent=False)
    with pytest.raises(ToolError, match="partition is for the local cloud only; on AWS there is region-loss"):
        injectors.require_consent(aws, "partition", consent=True)
    injectors.require_consent(aws, "region-loss", consent=True)


def test_on_aws_a_region_is_lost_by_its_health_switch_and_put_back(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, str, str]] = []

    class Table:
        def __init__(self, region: str) -> None:
            self.region = region

        def put_item(self, **call: Any) -> None:
            assert call["Item"]["TransactionId"] == {"S": ":health"}
            assert "out" in call["Item"]
            calls.append(("out", self.region, call["TableName"]))

        def delete_item(self, **call: Any) -> dict[str, Any]:
            assert call["Key"] == {"TransactionId": {"S": ":health"}}
            calls.append(("in", self.region, call["TableName"]))
            return {}

    monkeypatch.setattr(aws, "dynamodb", Table)
    monkeypatch.setattr(Cloud, "account", "123456789012")
    monkeypatch.setattr(Cloud, "caller", "arn:aws:iam::123456789012:role/operator")
    injector = injectors.AwsInjector(Environment(aws, Silent(), Pace()))
    outage = Outage(start=0, end=1, regions=("us-east-1",), what="out")
    injector.begin(outage)
    injector.heal()
    injector.heal()
    table = "payment-register-us-east-1-dev"
    assert calls == [("out", "us-east-1", table), ("in", "us-east-1", table)]
