"""Mutants of what the flows' campaign does not run, or does not see: drivers, handlers, connections, `payctl`."""

from payments import clock, janitor, members, rounds, runtime, store
from payments.aws import Aws
from payments.processors import common, stripe
from payments.protocol import flows, rejoining, settlement, sweep

from payctl.payments import registers
from tests.handlers.scenario import play
from tests.simulation.mutants import BY_NAME as flows_mutants
from tests.simulation.mutation import Catch, Edit, Mutant, applied
from tests.simulation.options import Options

LEDGER = Options(rail="ledger", clash=0.1)
LOSSY = LEDGER._replace(harsh=True, dead=0.0)
PROCESSOR = Options(rail="processor", clash=0.0, dead=0.0)
KEYS_KEPT = PROCESSOR._replace(deduplicates=True)
STRIPE = KEYS_KEPT._replace(announces=True, busy=0.2)
UNCANCELLED = PROCESSOR._replace(cancels=False)
REPLACED = Options(rail="ledger", clash=0.1, dead=0.0, amnesia="replaced")

MUTANTS = (
    # ------------------------------------------------------------------------------------------- the driver
    Mutant(
        "eventual_reads",
        "reads of a cell are not strongly consistent",
        (Edit(store.Driver._reading, '"ConsistentRead": True', '"ConsistentRead": False'),),
        LEDGER,
    ),
    Mutant(
        "refusal_without_item",
        "a refused write does not show what is there",
        (Edit(store.statement, '"ALL_OLD"', '"NONE"'),),
        PROCESSOR,
    ),
    Mutant(
        "errors_are_answers",
        "an error of the service is taken for an answer",
        (Edit(Aws.calling, "if reply.status == 200:", "if reply.status != 400:"),),
        LOSSY,
    ),
    Mutant(
        "empty_answers",
        "an answer that ends within its headers is taken for one without an item (an earlier version)",
        (Edit(Aws.calling, "DECODE(reply.body.decode())", 'json.loads(reply.body.decode() or "{}")'),),
        LOSSY,
    ),
    Mutant(
        "hurried_operator",
        "an operator waits no longer for the third Region than a function (an earlier version)",
        (Edit(store.Driver.__init__, "OPERATOR_GRACE_SECONDS if operator else GRACE_SECONDS", "GRACE_SECONDS"),),
        UNCANCELLED,
    ),
    # ------------------------------------------------------------------------------------------ the janitor
    Mutant(
        "skipped_shard",
        "the janitor skips a shard of the due index",
        (Edit(janitor.handler, "read_pages(SHARDS,", "read_pages(SHARDS[1:],"),),
        LEDGER,
    ),
    Mutant(
        "first_page_only",
        "the janitor knows the first page of a shard, and its metrics show no more",
        (
            Edit(janitor.go_round, "while more and", "while False and"),
            Edit(janitor.go_round, ".cells if more else []", ".cells if False else []"),
        ),
        LOSSY,
    ),
    Mutant(
        "lost_helpers",
        "the janitor leaves shards to helpers that never run, and tells nothing of them (an earlier version)",
        (
            Edit(janitor.hand_over, "run(runtime.driver().aws.invoking(here.region, here.janitor, event))", "pass"),
            Edit(janitor.handler, "[page.cells[0][0] for page in oldest.values() if page.cells]", "[]"),
        ),
        LEDGER,
    ),
    Mutant(
        "no_is_there",
        "a receipt that S3 does not show counts as written",
        (Edit(Aws.finding, "reply.status == 200", "reply.status < 500"),),
        LOSSY,
    ),
    Mutant(
        "silence_unseen",
        "the janitor's metrics do not show that a peer does not answer",
        (Edit(janitor.meet_peers, "len(answers) - len(heard)", "0"),),
        LEDGER,
    ),
    Mutant(
        "age_unseen",
        "the janitor's metrics show only what it did not get round to",
        (Edit(rounds.waiting, "if swept and (swept.resting or swept.parked):", "if swept:"),),
        LOSSY,
    ),
    Mutant(
        "parked_for_stuck",
        "the janitor's metrics show the age of what is parked instead of that of what is stuck",
        (
            Edit(
                rounds.Round.told,
                "oldest=max(waits, default=0)",
                "oldest=max([self.now - since for since, payment in self.overdue"
                " if payment in self.swept and self.swept[payment].parked] or waits, default=0)",
            ),
        ),
        PROCESSOR._replace(harsh=True),
    ),
    # ------------------------------------------------------------------------------------------- registers
    Mutant(
        "bar_at_one_peer",
        "only one peer of a register is told that it is barred",
        (
            Edit(
                rejoining.bar,
                "[region for region in ctx.regions if region != lost], ctx.token()",
                "[region for region in ctx.regions if region != lost][:1], ctx.token()",
            ),
            Edit(registers._known_for, 'answer.cell["since"]', 'answer.cell.get("since", now)'),
        ),
        REPLACED,
    ),
    Mutant(
        "barred_is_asked",
        "functions ask a register that a peer says is barred",
        (Edit(members.Members.asks, "region not in self._lost and ", ""),),
        REPLACED,
    ),
    Mutant(
        "frozen_unnoticed",
        "what a function was frozen for does not count (an earlier version)",
        (
            Edit(clock.Clock.now, "if (leap := ahead - self._ahead) > NOTICED_SECONDS:", "if False:"),
            Edit(runtime.begin, "driver().members.clock.began(asked_at(event))", "pass"),
        ),
        REPLACED,
    ),
    Mutant(
        "paused_unnoticed",
        "what a function was frozen for counts only by its own time of day (an earlier version)",
        (Edit(runtime.begin, "driver().members.clock.began(asked_at(event))", "pass"),),
        REPLACED,
    ),
    # ----------------------------------------------------------------------------------------- the processor
    Mutant(
        "conflict_is_not_sent",
        "409 from the processor is taken as not sent",
        (
            Edit(
                common.meaning,
                "ANSWERS.get(reply.status, Meaning.UNKNOWN)",
                "Meaning.NOT_DONE if reply.status == 409 else ANSWERS.get(reply.status, Meaning.UNKNOWN)",
            ),
        ),
        PROCESSOR._replace(harsh=True),
    ),
    Mutant(
        "broken_is_not_sent",
        "a connection that dies after a charge was sent is taken as not sent",
        (Edit(common.Client.ask, "Trouble.NO_ANSWER", "Trouble.NO_CONNECTION"),),
        PROCESSOR._replace(harsh=True),
    ),
    Mutant(
        "charge_repeated",
        "a charge goes over a kept connection, and again over a new one when that turns out to be dead",
        (Edit(common.Client.ask, 'again=method == "GET"', "again=True"),),
        PROCESSOR._replace(harsh=True),
    ),
    Mutant(
        "stripe_without_key",
        "each announcement to Stripe makes another PaymentIntent",
        (Edit(stripe.Processor._create, "seconds, charge.key)", 'seconds, f"{charge.key}-{time.time()}")'),),
        STRIPE._replace(harsh=True),
    ),
    Mutant(
        "stripe_name_kept_nowhere",
        "a PaymentIntent is confirmed although no cell has taken its id",
        (Edit(settlement.call, "handle=handle_in(cells)", "handle=named.text"),),
        STRIPE._replace(harsh=True),
    ),
    Mutant(
        "stripe_says_it_once",
        "what a confirmation came to is read from its kept answer only",
        (Edit(stripe.Processor.charge, "if not isinstance(word, Verdict):", "if False:"),),
        STRIPE,
    ),
    # ---------------------------------------------------------------------- what the flows' campaign sees as well
    flows_mutants["get_tells_one_cell"]._replace(options=PROCESSOR._replace(harsh=True)),
    Mutant(
        "get_guesses",
        "GET says PENDING where the cell that does not answer may prove an end (an earlier version)",
        (Edit(flows.get, "perhaps_ended(ctx, cells)", "False"),),
        LOSSY,
    ),
    Mutant(
        "tidy_without_receipt",
        "a cell is at rest although the receipt was not written",
        (
            Edit(sweep.tidy, " if written else Outcome(State.FINAL)", ""),
            Edit(settlement.show, "if content == result.text and complete:", "if content == result.text:"),
        ),
        LOSSY,
    ),
    flows_mutants["whole_seconds"]._replace(options=LEDGER),
    Mutant(
        "not_charged_at_once",
        "a payment is closed as not charged while its key is still used",
        flows_mutants["void_at_once"].edits,
        UNCANCELLED._replace(deduplicates=True, harsh=True),
    ),
)
BY_NAME = {mutant.name: mutant for mutant in MUTANTS}


MOST = 14
"""Payments of a run with a mutant: small runs are soon over."""


def hunt(mutant: Mutant, seeds: range) -> Catch:
    """Run a mutant until it is caught, or the seeds are through; production has to pass the seed that catches it."""
    with applied(mutant) as executions:
        for seed in seeds:
            violations = play(seed, mutant.options, most=MOST).violations
            if violations:
                break
        executed = executions.any
    if not violations:
        return Catch(-1, None, executed, innocent=True)
    innocent = not play(seed, mutant.options, most=MOST).violations
    return Catch(seed, violations[0], executed, innocent)
