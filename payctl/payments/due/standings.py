"""Where payments stand that are due, in look-ups of a hundred: most of what is due is public and waits for its janitor
only, and of the rest the cells of each Region are read at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from payments.attributes import plain
from payments.aws import AwsError
from payments.protocol import operations
from payments.protocol.operations import Standing
from payments.protocol.ports import LOST, REGISTER, Cell, Context, Flow, Read

from payctl.cloud import batches, together
from payctl.environment import Environment
from payctl.payments.books import KEYS_AT_ONCE
from payctl.payments.due import index
from payctl.payments.registers import FINAL, UNREADABLE, Registers, standing
from stacksets.errors import ToolError

LOOKED_UP: Final = 10_000
"""Due payments of a Region whose records are looked up by a command that only counts."""
LOOKED_AT: Final = 1_000
"""Those of them without a record that it asks about in all Regions."""
PATIENCE: Final = 5.0
"""Seconds for what DynamoDB leaves out of an answer."""
TOLD: Final = 2  # Regions that must tell of a payment, to know that it is not parked
TRIES: Final = 2  # of a Region that does not answer
AT_ONCE: Final = 8  # batches, each of which asks three Regions
Answer = TypeVar("Answer")


class Look(NamedTuple):
    """What a Region's register still has to finish: `due` cells, of which so many were looked at; `open` without an
    end, with those that were not looked at; `parked`: the Regions for which they were decided ("" where there is
    none)."""

    due: int
    looked_at: int
    open: int
    parked: Mapping[str, str]


NOTHING: Final = Look(0, 0, 0, {})


def look(registers: Registers, region: str) -> Look:
    """Look at what is due in a Region, the newest first, as the janitor does. Raises ToolError. Read only."""
    environment = registers.environment
    seen = looked_at = over = asked = 0
    parked, complete = dict[str, str](), True
    for cells in index.rounds(environment, region, newest_first=True):
        payments = [cell["TransactionId"]["S"] for cell in cells]
        taken = payments[: LOOKED_UP - seen]
        hidden = unshown(environment, region, taken)
        few = hidden[: LOOKED_AT - asked]
        asked += len(few)
        looked_at += len(taken) - len(hidden) + len(few)
        seen += len(taken)
        over += len(taken) - len(hidden)
        for each in standings(registers, few):
            over += each.status in FINAL
            looked_at -= each.answered < TOLD
            if each.parked:
                parked[each.payment] = each.value.region if each.value else ""
        if complete := len(few) == len(hidden) and len(taken) == len(payments):
            continue
        break
    due = seen if complete else max(seen, index.count(environment, region))
    return Look(due, looked_at, due - over, parked)


def parked(
    registers: Registers, *, limit: int, wanted: Callable[[str], bool] = lambda _: True
) -> tuple[list[Standing], bool]:
    """The payments that wait for the processor or for an operator, `limit` at most, and whether there are more; also
    while one Region is silent: what is parked is due in two Regions. Raises ToolError when fewer than two answer. Read
    only."""
    environment = registers.environment
    silent = registers.run(_silent(registers.context()))
    for region in silent:
        environment.report.note(f"{region} does not answer; what is parked is known from the other Regions")
    if len(silent) > 1:
        raise ToolError(
            f"{' and '.join(silent)} do not answer: the list would not be complete", remedy="repeat it later"
        )
    answering = [region for region in environment.regions if region not in silent]
    found = dict[str, Standing]()

    def find(region: str) -> None:
        for cells in index.rounds(environment, region):
            payments = [each for cell in cells if wanted(each := cell["TransactionId"]["S"])]
            hidden = [each for each in unshown(environment, region, payments) if each not in found]
            for one in standings(registers, hidden, answering):
                if one.answered < TOLD:
                    raise ToolError(
                        f"fewer than two Regions tell of {one.payment}: the list would not be complete",
                        remedy="repeat it later",
                    )
                if one.status == UNREADABLE:
                    environment.report.note(f"{one.payment} cannot be read: somebody changed a cell of it")
                if one.parked:
                    found[one.payment] = one
            if len(found) > limit:
                return

    environment.cloud.everywhere(find, answering)
    return [found[each] for each in sorted(found)[:limit]], len(found) > limit


def unshown(environment: Environment, region: str, payments: Sequence[str]) -> list[str]:
    """Those of the payments that a Region's replica of the public record does not show, as far as it was told: whoever
    is left out may be public all the same. Read only."""
    api, table = environment.cloud.dynamodb(region), environment.names.table

    def shown(batch: Sequence[str]) -> set[str]:
        keys = [{"TransactionId": {"S": payment}} for payment in batch]
        wanted: Any = {"Keys": keys, "ProjectionExpression": "TransactionId"}
        items = api.batch_get_item(RequestItems={table: wanted})["Responses"].get(table, [])
        return {item["TransactionId"]["S"] for item in items}

    public = set[str]().union(*together(shown, batches(payments, KEYS_AT_ONCE)).values())
    return [payment for payment in payments if payment not in public]


def standings(registers: Registers, payments: Sequence[str], regions: Sequence[str] = ()) -> Iterator[Standing]:
    """Where payments stand, by the cells of these Regions, or of all. What does not answer is asked no more. Read
    only."""
    if not payments:
        return
    context, asked = registers.context(), [*(regions or registers.environment.regions)]

    def read(region: str, batch: Sequence[str]) -> Mapping[str, Cell]:
        cells, answers = _cells(registers, region, batch)
        if not answers and region in asked:
            asked.remove(region)
        return cells

    def stand(batch: Sequence[str]) -> list[Standing]:
        cells = together(lambda region: read(region, batch), asked)
        own = ({region: each[payment] for region, each in cells.items() if payment in each} for payment in batch)
        flows = (operations.inspect(context, payment) for payment in batch)
        return [
            standing(registers.run, _given(known, flow), payment, len(known))
            for payment, known, flow in zip(batch, own, flows, strict=True)
        ]

    for several in batches(batches(payments, KEYS_AT_ONCE), AT_ONCE):
        for found in together(stand, several).values():
            yield from found


def _cells(registers: Registers, region: str, payments: Sequence[str]) -> tuple[dict[str, Cell], bool]:
    """A Region's cells by payment, {} for none, and whether it answers; what it does not tell of is left out."""
    table, pace = registers.environment.names.register(region), registers.environment.pace
    cells, failed = dict[str, Cell](), 0
    left = [*payments]
    for _ in pace.ticks(PATIENCE):
        keys = [{"TransactionId": {"S": payment}} for payment in left]
        fields = {"RequestItems": {table: {"Keys": keys, "ConsistentRead": True}}}
        try:
            answer = registers.aws.call("dynamodb", region, "BatchGetItem", fields)
        except AwsError:
            failed += 1
            if failed == TRIES:
                return cells, False
            continue
        unprocessed = {key["TransactionId"]["S"] for key in answer["UnprocessedKeys"].get(table, {}).get("Keys", [])}
        cells |= {payment: {} for payment in left if payment not in unprocessed}
        cells |= {item["TransactionId"]["S"]: plain(item) for item in answer["Responses"].get(table, [])}
        left = [payment for payment in left if payment in unprocessed]
        if not left:
            break
    return cells, True


def _given(cells: Mapping[str, Cell], flow: Flow[Answer]) -> Flow[Answer]:
    """The flow, with the cells that were read already; what else it asks for is asked."""
    try:
        batch = next(flow)
        while True:
            reads = [request for request in batch if isinstance(request, Read)]
            known = [cells.get(read.region, LOST) for read in reads]
            batch = flow.send(known if len(reads) == len(batch) else (yield batch))
    except StopIteration as end:
        answer: Answer = end.value
        return answer


def _silent(context: Context) -> Flow[list[str]]:
    """The Regions whose registers do not answer, in two tries."""
    silent = list(context.regions)
    for _ in range(2):
        answers = yield tuple(Read(region, REGISTER) for region in silent)
        silent = [region for region, answer in zip(silent, answers, strict=True) if answer is LOST]
        if not silent:
            break
    return silent
