"""An environment that charges at localstripe, under the drill `processor-outage`, with answers lost and doubled."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest

import localcloud
from tests.drills import support
from tests.stripe.proxy import SECRET, Proxy

SOURCE = ("--source", "pm_card_visa")
PAYMENTS = ("--payments", "200", "--rate", "8", "--window", "16s", *SOURCE)


@pytest.mark.evidence
def test_an_outage_charges_nothing_twice_by_localstripes_own_books(proxy: Proxy, tmp_path: Path) -> None:
    with localcloud.running() as cloud:
        support.bootstrap(cloud)
        site = support.deploy(
            cloud, "stripe", tmp_path, url=f'"{proxy.url}"', kind='"stripe"', deduplicates="true", secret_name='"psp"'
        )
        for region in support.REGIONS:
            client: Any = boto3.client  # its overloads want the service's name as a literal
            secrets = client("secretsmanager", region_name=region, endpoint_url=cloud.endpoint, **localcloud.ROOT)
            secrets.create_secret(Name="psp", SecretString=SECRET)
        refused = site.payctl("pay", "--amount", "1.00", "--json")
        assert refused.returncode == 1
        assert "payment method" in refused.stdout, "a payment without a source is refused"
        site.payctl("pay", "--rate", "6", "--for", "5s", *SOURCE)  # starts the functions' processes
        proxy.behave(double_share=0.3)
        proxy.least = 5
        code, told = site.drill("processor-outage", *PAYMENTS, "--hurry")
    books = {payment: count for payment, count in proxy.books().items() if payment.startswith("D")}
    fates = proxy.met()
    assert all(fates[fate] >= proxy.least for fate in ("failed", "lost after", "doubled")), (fates, told["verdict"])
    assert [payment for payment, count in books.items() if count > 1] == []
    assert told["verdict"]["charged_twice"] == told["verdict"]["lost"] == 0, told["verdict"]
    assert told["verdict"]["charged_wrongly"] == 0, told["verdict"]
    # Clients that gave up do not know of theirs.
    assert 100 < told["verdict"]["settled"] <= sum(books.values()) <= told["verdict"]["payments"]
    assert code == 0, json.dumps(told["verdict"])
