"""The names of one environment, filled in from the patterns of builder/names.py."""

from dataclasses import dataclass

from builder import names


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names of one environment in one account."""

    environment: str
    account: str

    def of(self, pattern: str, region: str = "", peer: str = "") -> str:
        """The name that a pattern of builder/names.py stands for; `peer` is the other Region of one that has two."""
        return names.fill(pattern, environment=self.environment, account=self.account, region=region, peer=peer)

    @property
    def stack_set(self) -> str:
        return self.of(names.STACK_SET)

    @property
    def global_stack(self) -> str:
        return self.of(names.GLOBAL_STACK)

    @property
    def table(self) -> str:
        """The public record, a global table."""
        return self.of(names.TABLE)

    def register(self, region: str) -> str:
        """The register table of a Region."""
        return self.of(names.REGISTER, region)

    def receipts(self, region: str) -> str:
        return self.of(names.BUCKET, region)

    def processor(self, region: str) -> str:
        return self.of(names.PROCESSOR, region)

    def janitor(self, region: str) -> str:
        return self.of(names.JANITOR, region)

    def outcomes(self, region: str) -> str:
        return self.of(names.OUTCOMES, region)

    def failover(self, region: str, peer: str) -> str:
        """The rule that takes payments from a Region's bus to another's."""
        return self.of(names.FAILOVER, region, peer)

    def state_machine(self, region: str) -> str:
        """The ARN of a Region's workflow."""
        return f"arn:aws:states:{region}:{self.account}:stateMachine:{self.of(names.WORKFLOW, region)}"

    @property
    def boundary(self) -> str:
        """The ARN of the permissions boundary of every role."""
        return f"arn:aws:iam::{self.account}:policy/{names.BOUNDARY}"

    def alarm_suffix(self, region: str) -> str:
        """How the name of every alarm of the environment in a Region ends."""
        return self.of(names.ALARM_SUFFIX, region)


def artifact_bucket(region: str, account: str) -> str:
    """The bucket of an account's Region that holds code and templates."""
    return names.fill(names.ARTIFACTS, region=region, account=account)
