"""Brings a lost or restored register back: bar it, wait until all know, teach it every payment, put it into use.

bar ──> 60 s: all ──> new, empty ──> 900 s: who asked the ──> teach each payment ──> unbar
 │      know it        table         old one has ended        from both others
 └───────┴──────────────┴─────────────┴────────────────────────┘
  interrupted anywhere here? Repeat the command: it resumes, and nobody asks the register meanwhile

Why the 900 s: docs/decisions/rejoin-waits.md.
"""

from botocore.exceptions import ClientError
from payments.members import BARRED_SECONDS

from payctl.advice import failure
from payctl.environment import Environment
from payctl.payments import membership
from payctl.payments.registers import Registers, wait_until_barred
from payctl.payments.tables import GONE
from payctl.payments.teaching.lesson import Rejoined
from stacksets.errors import InterruptedRunError, ToolError, code_of

LIFE_SECONDS = 900.0  # of a function at most, by its own timeout and by Lambda's limit


def rejoin(environment: Environment, region: str) -> Rejoined:
    """Teach the register of a Region every payment. Raises ToolError where a peer does not answer or its table is
    missing, InterruptedRunError on Ctrl-C."""
    registers, report = Registers(environment), environment.report
    for peer, reason in membership.idle(environment).items():
        if peer != region and reason not in (membership.BARRED, membership.STRAY):  # a second bar is refused below
            raise ToolError(
                f"{region} cannot be taught: the register of {peer} is not in use either: {reason}",
                remedy='two of three have forgotten: see docs/operations.md, "Two registers are lost"',
            )
    report.phase(f"Bar the register of {region}")
    barred_for = registers.bar(region)
    try:
        wait_until_barred(environment, already=barred_for)
        require_table(environment, region)
        wait_until_ended(environment, already=registers.bar(region))
        report.phase(f"Teach the register of {region}")
        return registers.rejoin(region)
    except KeyboardInterrupt:
        raise InterruptedRunError(
            f"interrupted: {region} stays barred, nobody asks its register", remedy=f"resume: `payctl rejoin {region}`"
        ) from None


def wait_until_ended(environment: Environment, *, already: float) -> None:
    """Wait until every function that asked the old register has ended: until then it may remember a promise that no
    other cell holds yet, and the others must not be listed. `already`: for how many seconds the bar has stood."""
    left = max(0.0, BARRED_SECONDS + LIFE_SECONDS - already)
    for waited in environment.pace.ticks(left):
        detail = f"{max(0.0, left - waited):.0f} s until those that asked the old register have ended"
        environment.report.line("functions", "ENDING", detail)
    environment.report.line("functions", "COMPLETE", "none knows the old register")


def require_table(environment: Environment, region: str) -> None:
    """Raises ToolError unless the Region has a register table, empty or not. Read only."""
    table = environment.names.register(region)
    try:
        status: str = environment.cloud.dynamodb(region).describe_table(TableName=table)["Table"]["TableStatus"]
    except ClientError as error:
        if code_of(error) not in GONE:
            raise failure("look at", f"table {table} in {region}", error) from error
        status = "missing"
    if status not in ("ACTIVE", "UPDATING"):
        raise ToolError(
            f"{region} stays barred: table {table} is {status.lower()}",
            remedy=f"delete the stack of {region} if it is still there, recreate it with "
            f"`payctl deploy --recreate {region}`, then repeat `payctl rejoin {region}`",
        )
