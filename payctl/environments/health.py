"""Whether every Region of an environment answers."""

from collections.abc import Mapping

from payctl import http as request
from payctl.environment import Environment
from stacksets.errors import Cause, RegionsFailedError

# A new API's address takes a while to reach every name server.
LIMIT = 90.0


def health(environment: Environment) -> dict[str, str]:
    """Ask every Region's GET /health until it answers 200; raises RegionsFailedError for those that do not."""
    outputs = environment.outputs()

    def ask(region: str) -> request.Answer:
        url = f"{request.address(environment.cloud, region, outputs[region])}/health"
        for _ in environment.pace.ticks(LIMIT):
            answer = request.send("GET", url)
            if answer.status == 200:
                break
            environment.report.line(region, "WAITING", said(answer))
        environment.report.line(region, "HEALTHY" if answer.status == 200 else "FAILED", said(answer))
        return answer

    answers = environment.cloud.everywhere(ask)
    sick = [
        Cause(region=region, resource="GET /health", reason=said(answer), remedy="see the function's log group")
        for region, answer in answers.items()
        if answer.status != 200
    ]
    if sick:
        where = ", ".join(cause.region for cause in sick)
        raise RegionsFailedError(f"deployed, but not healthy: {where}", sick)
    return dict.fromkeys(answers, "healthy")


def said(answer: request.Answer) -> str:
    """An answer in a few words."""
    if not answer.status:
        return str(answer.body)
    detail = answer.body.get("detail", "") if isinstance(answer.body, Mapping) else ""
    return f"{answer.status} {detail}".strip()
