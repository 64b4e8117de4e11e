"""What needs an operator's eye, by Region: alarms, dead letters, open and parked payments. Read only."""

from collections import Counter
from dataclasses import dataclass, replace

from botocore.exceptions import BotoCoreError, ClientError

from payctl.environment import Environment
from payctl.environments import alarms
from payctl.payments import dead_letters, membership
from payctl.payments.registers import Registers
from payctl.payments.tables import due_payments
from stacksets.errors import ToolError, explain

# Looking at a payment asks three Regions: a status is no place to do that thousands of times.
LOOKED_AT = 100


@dataclass(frozen=True, kw_only=True)
class Tended:
    """One Region; `register` is why its register is not in use, `trouble` why it could not be asked; "" is all well."""

    region: str
    alarms: tuple[str, ...] = ()
    dead_letters: int = 0
    register: str = ""
    open: int = 0
    parked: int = 0
    trouble: str = ""

    @property
    def calm(self) -> bool:
        """Whether nothing waits for anybody."""
        return not (self.alarms or self.dead_letters or self.register or self.parked or self.trouble)


def tend(environment: Environment) -> tuple[Tended, ...]:
    """Look into every Region at once. Parked payments are counted where they were decided to be charged."""
    registers = Registers(environment)

    idle = membership.idle(environment)

    def look(region: str) -> tuple[Tended, list[str]]:
        try:
            due = [] if idle.get(region) == membership.MISSING else due_payments(environment, region)
            found = Tended(
                region=region,
                alarms=tuple(sorted(alarms.firing(environment, region))),
                dead_letters=dead_letters.count(environment, region),
                register=idle.get(region, ""),
                open=len(due),
            )
        except (ClientError, BotoCoreError) as error:
            return Tended(region=region, trouble=explain(error).message), []
        except ToolError as error:
            return Tended(region=region, trouble=error.message), []
        return found, due

    found = environment.cloud.everywhere(look)
    due = sorted({payment for _, payments in found.values() for payment in payments})[:LOOKED_AT]
    standings = [registers.inspect(payment) for payment in due]
    parked = Counter(s.value.region if s.value else environment.home for s in standings if s.parked)
    return tuple(replace(tended, parked=parked[region]) for region, (tended, _) in found.items())
