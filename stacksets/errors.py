"""What can go wrong, each as one line that names object, cause and remedy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
)

EXPIRED = {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
FORBIDDEN = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AccessDeniedError"}
THROTTLED = {"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"}


UNREACHED = (EndpointConnectionError, ConnectTimeoutError, ReadTimeoutError, ConnectionClosedError)
SERVER_ERROR = 500  # and above: AWS could not, whoever asked for whatever


class ToolError(Exception):
    """An error for the operator. `remedy` says what to type or to change; "" where nothing is known."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why a Region failed: the resource that failed first, what AWS said of it, and the fix where one is known."""

    region: str
    resource: str
    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{self.region}: {self.resource}: {self.reason}" if self.resource else f"{self.region}: {self.reason}"
        return f"{text}\n  remedy: {self.remedy}" if self.remedy else text


class RegionsFailedError(ToolError):
    """An operation failed in some Regions; `causes` has one entry for each."""

    def __init__(self, message: str, causes: Sequence[Cause], *, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.causes = tuple(causes)


class OperationInProgressError(ToolError):
    """Another operation runs on the StackSet: wait for it, then try again."""


class InterruptedRunError(ToolError):
    """The operator pressed Ctrl-C; the message says what is true now and what to type."""


def code_of(error: ClientError) -> str:
    """The error code AWS answered, such as StackSetNotFoundException."""
    return str(error.response.get("Error", {}).get("Code", ""))


def reason_of(error: ClientError) -> str:
    """The sentence AWS answered, on one line."""
    return " ".join(str(error.response.get("Error", {}).get("Message", "")).split()) or code_of(error)


def silent(error: BaseException | None) -> bool:
    """Whether an error of the SDK says that a Region does not answer, or is ill: another one may do better."""
    if isinstance(error, ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= SERVER_ERROR
    return isinstance(error, UNREACHED)


def failure(verb: str, thing: str, error: Exception) -> ToolError:
    """`cannot VERB THING: CAUSE; REMEDY` for an error of the SDK."""
    return ToolError(f"cannot {verb} {thing}: {_cause(error)}", remedy=_remedy(error))


def explain(error: Exception) -> ToolError:
    """An SDK error that no command gave a verb and an object: its operation is the verb."""
    if isinstance(error, ClientError):
        return ToolError(f"AWS refused {error.operation_name}: {_cause(error)}", remedy=_remedy(error))
    return ToolError(_cause(error), remedy=_remedy(error))


def _cause(error: Exception) -> str:
    if isinstance(error, ClientError):
        return f"{reason_of(error)} ({code_of(error)})"
    if isinstance(error, UNREACHED):
        return f"{error.kwargs.get('endpoint_url', 'the endpoint')} does not answer"
    return " ".join(str(error).split())


def _remedy(error: Exception) -> str:
    for matches, remedy in REMEDIES:
        if matches(error):
            return remedy
    return ""


def _answers(codes: set[str]) -> Callable[[Exception], bool]:
    return lambda error: isinstance(error, ClientError) and code_of(error) in codes


def _is(*kinds: type[BotoCoreError]) -> Callable[[Exception], bool]:
    return lambda error: isinstance(error, kinds)


REMEDIES: tuple[tuple[Callable[[Exception], bool], str], ...] = (
    (
        _is(NoCredentialsError, PartialCredentialsError),
        "set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use --local for the local cloud",
    ),
    (_is(ProfileNotFound), "see `aws configure list-profiles`, or unset AWS_PROFILE"),
    (
        _is(*UNREACHED),
        "check the network and the Region's name; for the local cloud start it with `make up`",
    ),
    (_answers(EXPIRED), "renew the credentials (`aws sso login` or a new session), then repeat the command"),
    (_answers(FORBIDDEN), "use credentials that may do this, or ask the account's administrator"),
    (_answers(THROTTLED), "AWS is throttling: repeat the command in a minute"),
)
