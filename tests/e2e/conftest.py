"""One local cloud for all tests of this folder, and environments deployed on it by payctl, as an operator would."""

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import localcloud
from builder import settings as settings_file
from localcloud.client import LocalCloud
from payctl.cloud import Cloud
from payctl.drills.history import contradictions, in_words
from payctl.environment import Environment as Opened
from stacksets.progress import Silent
from stacksets.waiting import Pace
from tests.e2e.support import MADE, ROOT, Environment, decisions, deploy, with_processor

CHECKED: Counter[int] = Counter()
"""How many of the answers in each environment have been checked."""


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    with localcloud.running() as running:
        Environment(running, "dev", ROOT / "deployment.toml").payctl("bootstrap", "--yes")
        yield running
        # What `python -m tests.rights.record` reads.
        left = ROOT / "build" / "decisions.json"
        left.parent.mkdir(exist_ok=True)
        left.write_text(json.dumps(decisions(running)))


@pytest.fixture(scope="session")
def dev(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Settles by ledger."""
    return deploy(cloud, "dev", tmp_path_factory.mktemp("dev"))


@pytest.fixture(scope="session")
def psp(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Settles by a processor that honours idempotency keys."""
    return with_processor(cloud, "psp", tmp_path_factory.mktemp("psp"), deduplicates="true")


@pytest.fixture(scope="session")
def forgetful(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Settles by a processor that does not: what is in doubt is parked."""
    return with_processor(cloud, "forgetful", tmp_path_factory.mktemp("forgetful"), deduplicates="false")


@pytest.fixture
def opened(dev: Environment, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """`dev` as payctl opens it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    settings = settings_file.load(dev.settings, {"ENVIRONMENT_SUFFIX": dev.name})
    return Opened(Cloud.of(settings, local=True, endpoint=dev.cloud.endpoint), Silent(), Pace(first=0.02))


@pytest.fixture(autouse=True)
def true_answers() -> Iterator[None]:
    """After each test: all that clients were told of payments, in any environment, can be true together."""
    yield
    for environment in MADE:
        told, known = environment.answers, CHECKED[id(environment)]
        CHECKED[id(environment)] = len(told)
        touched = {answer.payment for answer in told[known:]}
        posted = touched & {answer.payment for answer in told if answer.sent}  # not started as workflows
        for payment, proof in contradictions(a for a in told if a.payment in posted).items():
            pytest.fail(f"{environment.name}, {payment}: " + "; ".join(map(in_words, proof)))


@pytest.fixture
def payment() -> str:
    """An id that no other test uses; a letter among every few digits, so that it never looks like a card."""
    return f"TXN-{uuid.uuid4().hex[:6]}x{uuid.uuid4().hex[:6]}"


@pytest.fixture(scope="session")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(24) as threads:
        yield threads
