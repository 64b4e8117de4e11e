"""What Route 53's health checkers say of a Region: by them it is in DNS, or out of it."""

from dataclasses import dataclass
from typing import Final

from payctl.advice import doing
from payctl.environment import Environment

HEALTHY: Final = 0.18
"""Where more of the checkers find it well, Route 53 does too (docs/aws.md, "Health checks of a Region's own")."""
CHECK: Final = "AWS::Route53::HealthCheck"
ANYWHERE: Final = "us-east-1"  # Route 53 has one API for all Regions


@dataclass(frozen=True, kw_only=True)
class Checkers:
    """How many of them there are, and how many find it well."""

    well: int
    all: int

    @property
    def healthy(self) -> bool:
        """Whether DNS leads there."""
        return self.well > HEALTHY * self.all

    def __str__(self) -> str:
        return f"{self.well} of {self.all} health checkers find it well"


def health_check(environment: Environment, region: str) -> str:
    """The id of a Region's health check, "" where the environment has no domain. Read only."""
    stack = environment.survey(tolerant=True).stacks[region]
    return next(iter(environment.stacks(region).resources(stack.id, CHECK).values()), "") if stack.id else ""


def ask(environment: Environment, region: str, check: str) -> Checkers:
    """What the checkers of a health check found last. Read only."""
    route53 = environment.cloud.target_client("route53", ANYWHERE)
    with doing("ask", f"the health checkers of {region}"):
        found = route53.get_health_check_status(HealthCheckId=check)
    reports = [each.get("StatusReport", {}).get("Status", "") for each in found["HealthCheckObservations"]]
    return Checkers(well=sum(report.startswith("Success") for report in reports), all=len(reports))
