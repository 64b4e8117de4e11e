"""Brings a lost or restored register back: bar it, wait until all know, teach it every payment, use it again.

bar ──> 60 s ──> new, empty table ──> teach each payment from both others ──> unbar
 │        │              │                          │
 └────────┴──────────────┴── stopped here? Repeat the command: it goes on, and nobody asks the register meanwhile
"""

from botocore.exceptions import ClientError

from stacksets.data import GONE
from stacksets.environment import Environment
from stacksets.errors import InterruptedRunError, PayctlError, code_of, failure
from stacksets.registers import Registers, Rejoined, wait_until_barred


def rejoin(environment: Environment, region: str) -> Rejoined:
    """Teach the register of a Region every payment. Raises PayctlError where a peer does not answer or it is gone."""
    registers, report = Registers(environment), environment.report
    report.phase(f"Bar the register of {region}")
    barred_for = registers.bar(region)
    try:
        wait_until_barred(environment, already=barred_for)
        require_table(environment, region)
        report.phase(f"Teach the register of {region}")
        return registers.rejoin(region)
    except KeyboardInterrupt:
        raise InterruptedRunError(
            f"interrupted: {region} stays barred, nobody asks its register", remedy=f"go on: `payctl rejoin {region}`"
        ) from None


def require_table(environment: Environment, region: str) -> None:
    """Raises PayctlError unless the Region has a register table, empty or not. Read only."""
    table = environment.names.register(region)
    try:
        status: str = environment.cloud.dynamodb(region).describe_table(TableName=table)["Table"]["TableStatus"]
    except ClientError as error:
        if code_of(error) not in GONE:
            raise failure("look at", f"table {table} in {region}", error) from error
        status = "missing"
    if status not in ("ACTIVE", "UPDATING"):
        raise PayctlError(
            f"{region} stays barred: table {table} is {status.lower()}",
            remedy=f"restore it from its backup, or make the Region anew with `payctl deploy --recreate {region}`; "
            f"then repeat `payctl rejoin {region}`",
        )
