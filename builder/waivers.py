"""The checks of checkov that are waived, each with its reason, as metadata of the resource (`make audit`)."""

NO_VPC = (
    "CKV_AWS_117",
    "Not in a VPC: neither FSBP nor PCI DSS 4.0.1 asks for it, and it would cut the register off its peers",
)
HEALTH_UNCAPPED = ("CKV_AWS_115", "Not capped: a throttled health check would take a healthy Region out of DNS")
CHECK_UNCAPPED = ("CKV_AWS_115", "Not capped: only CloudFormation calls it, once a deployment")
OUTCOMES_UNCAPPED = ("CKV_AWS_115", "Not capped: a stream has as many readers as shards, and is read one by one")
NO_LETTERS = (
    "CKV_AWS_116",
    "No dead letters: they would keep whole events, unjudged; of those that get any, only the janitor is called "
    "asynchronously, every minute, and a stream has its own destination for what fails",
)
NO_TRACE = (
    "CKV_AWS_73",
    "Not traced: a trace keeps the address of a request before anything can judge the id in it",
)
NO_CACHE = ("CKV_AWS_120", "No cache: a payment must never be answered from one")
RECOVERY_UNSEEN = (
    "CKV_AWS_165",
    "On in every replica: each stands behind a condition, through which the check does not look",
)
OPEN_HEALTH = ("CKV_AWS_59", "Open: Route 53 health checks cannot sign, and it tells nothing but up or out")


def skip(*waived: tuple[str, str]) -> dict[str, object]:
    """The metadata that checkov reads beside a resource."""
    return {"checkov": {"skip": [{"id": check, "comment": reason} for check, reason in waived]}}
