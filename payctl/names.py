"""The names of everything in an environment that this tool looks at (docs/design.md, "Names")."""

from dataclasses import dataclass

BOOTSTRAP_STACK = "payment-bootstrap"


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names of one environment in one account."""

    environment: str
    account: str

    @property
    def stack_set(self) -> str:
        return f"payments-{self.environment}"

    @property
    def global_stack(self) -> str:
        return f"payments-global-{self.environment}"

    @property
    def table(self) -> str:
        """The public record, a global table."""
        return f"payments-{self.environment}"

    def register(self, region: str) -> str:
        """The register table of a Region."""
        return f"payment-register-{region}-{self.environment}"

    def receipts(self, region: str) -> str:
        return f"payment-receipts-{region}-{self.environment}-{self.account}"

    def processor(self, region: str) -> str:
        return f"payment-processor-{region}-{self.environment}"

    def janitor(self, region: str) -> str:
        return f"payment-janitor-{region}-{self.environment}"

    def state_machine(self, region: str) -> str:
        return f"arn:aws:states:{region}:{self.account}:stateMachine:payment-workflow-{region}-{self.environment}"

    def alarm_suffix(self, region: str) -> str:
        """What every alarm of the environment's Region ends in."""
        return f"-{region}-{self.environment}"


def artifact_bucket(region: str, account: str) -> str:
    """The bucket of an account's Region that holds code and templates."""
    return f"payment-artifacts-{region}-{account}"
