"""The score of the tour sees what it is there to see: on a local cloud whose books were made wrong on purpose."""

from collections.abc import Iterator

import pytest

from payctl import signed_http
from payctl.drills.client_log import Answer, ClientLog, Payment
from payctl.drills.history import payload_of, shown
from payctl.drills.load import ApiClient, Plan, new_prefix
from payctl.drills.local_cloud import LocalCloud
from payctl.environment import Environment
from payctl.tour import setting_up
from payctl.tour.breaking import Faults
from payctl.tour.counting import Counting, Score
from payctl.tour.story import Story
from stacksets.errors import ToolError
from tests.drills.support import REGIONS, SECRET, Site
from tests.e2e.support import eventually

pytestmark = pytest.mark.evidence  # it deploys
HOME, SECOND, THIRD = REGIONS


@pytest.fixture(scope="module")
def environment(site: Site) -> Environment:
    return setting_up.environment(site.folder / "deployment.toml", site.cloud.endpoint, site.name)


@pytest.fixture
def local(site: Site) -> Iterator[LocalCloud]:
    yield LocalCloud(site.cloud.endpoint)
    site.cloud.admin("DELETE", "/faults")


class Books:
    """A load whose payments are made one by one, and the score of it."""

    def __init__(self, environment: Environment, local: LocalCloud) -> None:
        self.environment, self.prefix = environment, new_prefix("C")
        plan = Plan(payments=9, rate=1.0, near=REGIONS, prefix=self.prefix)
        self.log = ClientLog(regions=REGIONS)
        self.waiting = plan.draw()
        self.api = ApiClient(environment, connections=3)
        self.counting = Counting(environment, self.log, self.prefix, local)

    def accept(self, *, pay: bool = True) -> Payment:
        """A payment that its client believes to be settled; `pay`: and rightly so."""
        payment = self.waiting.pop(0)
        answer = self.api.call("POST", HOME, "/payments", {"transaction": payment.transaction}) if pay else None
        assert answer is None or answer.status == 201, answer
        told = dict(answer.fields) if answer else {**payment.transaction, "status": "SETTLED"}
        self.log.payments[payment.id] = payment
        self.hear(payment, told)
        return payment

    def hear(self, payment: Payment, told: dict[str, object]) -> None:
        heard = Answer(
            payment=payment.id,
            method="POST",
            region=HOME,
            at=payment.due,
            seconds=0.1,
            status=201,
            sent=payload_of(payment.transaction),
            **shown(told),
        )
        self.log.answers.append(heard)
        payment.learn(heard)

    def look(self, *silent: str) -> Score:
        return self.counting.look(silent)

    def settled(self) -> Score:
        """The score once every Region shows everything."""
        return eventually(lambda: score if (score := self.look()).oldest is None else None)


@pytest.fixture
def books(environment: Environment, local: LocalCloud) -> Books:
    return Books(environment, local)


def test_what_is_settled_is_counted_in_every_region_s_books(books: Books) -> None:
    for _ in range(3):
        books.accept()
    score = books.settled()
    assert (score.accepted, score.settled, score.charged) == (3, 3, 3)
    assert (score.on_the_way, score.lost, score.charged_twice, score.differing, score.contradicted) == (0, 0, 0, 0, 0)
    assert {r: (s.readable, s.records, s.receipts, s.lacking) for r, s in score.shelves.items()} == dict.fromkeys(
        REGIONS, (True, 3, 3, 0)
    )


def test_a_payment_that_no_book_shows_is_lost_if_two_regions_can_be_read(books: Books) -> None:
    books.accept()
    books.accept(pay=False)
    score = books.look(HOME)
    assert (score.accepted, score.lost, score.judged) == (2, 1, True)
    assert not score.shelves[HOME].readable
    blind = books.look(HOME, SECOND)
    assert (blind.lost, blind.judged) == (0, False)
    assert books.look(*REGIONS).accepted == 2


def test_a_region_that_is_down_cannot_be_read_and_lacks_what_it_missed(books: Books, local: LocalCloud) -> None:
    fault = local.set_fault({"kind": "cut", "regions": [SECOND, THIRD]})
    other = local.set_fault({"kind": "cut", "regions": [HOME, THIRD]})
    books.accept()
    score = books.look(THIRD)
    assert (score.settled, score.lost, score.shelves[THIRD].lacking) == (1, 0, 1)
    assert score.oldest is not None
    for each in (fault, other):
        local.clear_faults(each)
    assert books.settled().shelves[THIRD].lacking == 0


def test_a_region_that_does_not_answer_is_not_taken_for_one_without_payments(books: Books, local: LocalCloud) -> None:
    books.accept()
    books.settled()
    books.accept(pay=False)
    for region in (SECOND, THIRD):
        local.set_fault({"kind": "service-down", "region": region, "service": "dynamodb"})
    score = books.look()
    assert {region: shelf.readable for region, shelf in score.shelves.items()} == {
        HOME: True,
        SECOND: False,
        THIRD: False,
    }
    assert (score.settled, score.lost, score.judged) == (1, 0, False)


def test_a_receipt_that_is_not_there_is_lacking(books: Books, local: LocalCloud, environment: Environment) -> None:
    payment = books.accept()
    books.settled()
    bucket = environment.names.receipts(THIRD)
    environment.cloud.s3(THIRD).delete_object(Bucket=bucket, Key=f"receipts/{payment.id}.json")
    score = Counting(environment, books.log, books.prefix, local).look(())
    assert {region: (shelf.receipts, shelf.lacking) for region, shelf in score.shelves.items()} == {
        HOME: (1, 0),
        SECOND: (1, 0),
        THIRD: (0, 1),
    }
    assert score.oldest is not None


def test_a_second_charge_is_seen(books: Books, site: Site) -> None:
    payment = books.accept()
    assert books.settled().charged_twice == 0
    charge = {"amount": 100, "currency": "USD", "reference": payment.id}
    url, secret = f"{site.cloud.admin_url}/processor/charges", f"Bearer {SECRET}"
    more = {"Authorization": secret, "Idempotency-Key": "another"}
    assert signed_http.send("POST", url, body=charge, more=more).status == 201
    score = books.look()
    assert (score.charged, score.charged_twice) == (2, 1)


def test_two_books_that_differ_are_seen(books: Books, local: LocalCloud, environment: Environment) -> None:
    """What is written into one replica arrives in the others, so the Region is cut off until it was seen."""
    for other in (HOME, SECOND):
        local.set_fault({"kind": "cut", "regions": [other, THIRD]})
    payment = books.accept()
    table = environment.cloud.dynamodb(THIRD)
    table.put_item(
        TableName=environment.names.table,
        Item={
            "TransactionId": {"S": payment.id},
            "Timestamp": {"N": "1"},
            "Status": {"S": "SETTLED"},
            "Content": {"S": "{}"},
        },
    )
    assert books.look().differing == 1


def test_receipts_that_differ_are_seen(books: Books, local: LocalCloud, environment: Environment) -> None:
    for other in (HOME, SECOND):
        local.set_fault({"kind": "cut", "regions": [other, THIRD]})
    payment = books.accept()
    environment.cloud.s3(THIRD).put_object(
        Bucket=environment.names.receipts(THIRD), Key=f"receipts/{payment.id}.json", Body=b"another"
    )
    assert eventually(lambda: books.look().differing) == 1


def test_a_settled_payment_that_was_never_charged_is_seen(books: Books, site: Site) -> None:
    books.accept()
    books.settled()
    site.cloud.admin("DELETE", "/processor/admin")
    try:
        books.accept(pay=False)  # which makes the books worth another look
        assert books.look().differing == 1
    finally:
        site.cloud.admin("PUT", "/processor/admin", {"honour_keys": False})


def test_what_clients_were_told_and_cannot_be_true_is_seen(books: Books) -> None:
    payment = books.accept()
    books.hear(payment, {**payment.transaction, "status": "SETTLED", "region": "another"})
    assert books.settled().contradicted == 1


def test_faults_are_those_of_the_local_cloud_whoever_set_them(local: LocalCloud) -> None:
    now = [0.0]
    faults = Faults(local, REGIONS, lambda: now[0])
    faults.begin("region-down", [SECOND])
    faults.begin("region-down", [SECOND])  # already so
    assert len(local.faults()["faults"]) == 1
    other = local.set_fault({"kind": "cut", "regions": [THIRD, HOME]})
    local.set_fault({"kind": "lag", "seconds": 0})  # no visitor's business
    now[0] = 2.0
    faults.look()
    assert (set(faults.down), set(faults.cut)) == ({SECOND}, {(HOME, THIRD)})
    local.clear_faults(other)
    now[0] = 3.0
    faults.end("region-down", [SECOND])
    assert (faults.down, faults.cut) == (frozenset(), frozenset())
    now[0] = 5.0
    faults.look()
    assert [(s.what, s.start, s.end) for s in faults.spans] == [
        (f"{SECOND} down", 0.0, 3.0),
        (f"{HOME}/{THIRD} cut", 2.0, 3.0),
    ]
    faults.begin("cut", [HOME, SECOND])
    faults.heal()
    assert [fault["kind"] for fault in local.faults()["faults"]] == ["lag"]


@pytest.mark.parametrize(
    ("kind", "regions"),
    [
        ("region-down", ["eu-west-9"]),
        ("region-down", [HOME, SECOND]),
        ("region-down", [HOME, HOME]),
        ("region-down", []),
        ("region-down", HOME),
        ("region-down", None),
        ("cut", [HOME]),
        ("cut", [HOME, HOME]),
        ("cut", [HOME, {}]),
        ("lag", [HOME]),
        (None, None),
        ([], [HOME]),
    ],
    ids=str,
)
def test_nothing_else_can_be_broken(local: LocalCloud, kind: object, regions: object) -> None:
    faults = Faults(local, REGIONS, lambda: 0.0)
    with pytest.raises(ToolError, match="nothing to break"):
        faults.begin(kind, regions)
    assert local.faults()["faults"] == []


def test_the_story_tells_each_change_once_and_when_the_books_are_whole_again(local: LocalCloud) -> None:
    now = [1.0]
    faults, story = Faults(local, REGIONS, lambda: now[0]), Story(REGIONS)

    def tell(*, well: bool = True, oldest: float | None = None) -> list[str]:
        known = len(story.events)
        story.faults(now[0], faults.spans)
        story.health(now[0], dict.fromkeys(REGIONS, True) | {HOME: well})
        story.books(now[0], Score(oldest=oldest))
        return [event.what for event in story.events[known:]]

    assert tell() == []
    faults.begin("region-down", [HOME])
    assert tell() == [f"{HOME} is down: nothing there runs or answers"]
    assert tell(well=False) == [f"two health checks failed: {HOME} leaves DNS"]
    assert tell(well=False, oldest=1.5) == []
    now[0] = 10.0
    faults.heal()
    assert tell(well=False, oldest=9.0) == [f"{HOME} is back"]
    assert tell(oldest=9.5) == [f"{HOME} is in DNS again"]
    now[0] = 14.0
    assert tell(oldest=13.0) == ["every Region shows every payment accepted before healing, 4 s after it"]
    assert tell() == []
    faults.begin("cut", [SECOND, HOME])
    assert tell() == [f"{HOME} and {SECOND} cannot reach each other"]
    faults.heal()
    assert tell(oldest=1.0) == [f"{HOME} and {SECOND} reach each other again"]
    faults.begin("region-down", [HOME])
    assert tell() == [f"{HOME} is down: nothing there runs or answers"], "nothing is whole while a Region is down"
    faults.heal()
    whole = "every Region shows every payment accepted before healing, 0 s after it"
    assert tell() == [f"{HOME} is back", whole]
