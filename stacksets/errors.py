"""What can go wrong, each as one line that names object, cause and remedy; and the advice that remedies come from."""

import re
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

UNREACHED = (EndpointConnectionError, ConnectTimeoutError, ReadTimeoutError, ConnectionClosedError)
REGION = "Region"  # where an error keeps the name of its Region, if whoever makes the clients puts it there
STACK_ARN = re.compile(r"arn:aws[\w-]*:cloudformation:[\w-]+:\d*:stack(?:set)?/([^/\s:\]]+)[/:][\w-]+")
SERVER_ERROR = 500  # and above: AWS could not, whoever asked for whatever

# Errors of the SDK, by AWS's error code or by the exception's class.
NO_CREDENTIALS = frozenset({"NoCredentialsError", "PartialCredentialsError"})
NO_ANSWER = frozenset(kind.__name__ for kind in UNREACHED)
EXPIRED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "CredentialRetrievalError",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
    }
)
FORBIDDEN = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AccessDeniedError"})
THROTTLED = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"})
REMEDIES: tuple[tuple[Collection[str], str], ...] = (
    (NO_CREDENTIALS, "set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    ({"ProfileNotFound"}, "see `aws configure list-profiles`, or unset AWS_PROFILE"),
    (NO_ANSWER, "check the network and the Region's name"),
    (EXPIRED, "renew the credentials (`aws sso login` or a new session), then {repeat}"),
    (FORBIDDEN, "use credentials that may do this, or ask the account's administrator"),
    (THROTTLED, "AWS is throttling: {repeat} in a minute"),
)
# What StackSets says of a role that does not exist, does not trust its caller, or was made a moment ago.
UNUSABLE_ROLE = (
    r"should have '?[\w+=,.@-]+'? role|is not authorized to perform: sts:AssumeRole|trust relationship"
    r"|security token included in the request is invalid"
)
# Reasons that CloudFormation and the services behind it give, as regular expressions.
FIXES: tuple[tuple[str, str], ...] = (
    (r"UnreservedConcurrentExecution", "reserve less concurrency, or ask for a higher Lambda quota"),
    (UNUSABLE_ROLE, "create the two StackSet roles, or correct their names and whom they trust"),
    (r"not authorized to perform|AccessDenied", "give the execution role the rights that the template needs"),
    (r"BucketNotEmpty|bucket you tried to delete is not empty", "empty the bucket, then {repeat}"),
    (r"can't be deleted since it has rules", "remove the rules that others have on that bus, then {repeat}"),
    (r"deletion protection", "turn deletion protection off by an update, then {repeat}"),
    (r"already exists", "something else holds this name: remove it, or choose another name"),
    (r"limit exceeded|LimitExceeded|quota", "raise the quota it names, then {repeat}"),
    (r"throttl|rate exceeded|TooManyRequests", "AWS was throttling: {repeat}"),
    (
        r"UPDATE_ROLLBACK_FAILED",
        "correct what stopped it, `aws cloudformation continue-update-rollback` on the stack, then {repeat}",
    ),
    (r"ResourceInUseException.*replica|24 hours", "DynamoDB keeps a new replica's source for a day: try tomorrow"),
)


class ToolError(Exception):
    """An error for the operator. `remedy` says what to type or to change; "" where nothing is known."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class SilentError(ToolError):
    """A Region does not answer, or is ill: another one may do better."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why a Region failed: the resource that failed first, what AWS said of it, and the fix where one is known."""

    region: str
    resource: str
    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.region, self.resource, self.reason)))


class RegionsFailedError(ToolError):
    """An operation failed in some Regions; `causes` has one entry for each."""

    def __init__(self, message: str, causes: Sequence[Cause], *, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.causes = tuple(causes)


class OperationInProgressError(ToolError):
    """Another operation runs on the StackSet: wait for it, then try again."""


class InterruptedRunError(ToolError):
    """The operator pressed Ctrl-C; the message says what is true now and what to type."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What a tool on top of this package tells its operator. The defaults name no tool.

    In a text, `{repeat}` stands for `repeat`; of `remedies` and `fixes` the first that matches counts.
    """

    tool: str = "stacksets"  # the ids of operations and the names of change sets begin with it
    repeat: str = "try again"
    watch: str = "see `aws cloudformation describe-stack-set-operation`"  # where an operation is seen that goes on
    silent: str = "StackSets works in this Region only: {repeat} when it answers"
    half_deleted: str = "finish deleting it, then {repeat}"
    remedies: tuple[tuple[Collection[str], str], ...] = REMEDIES
    fixes: tuple[tuple[str, str], ...] = FIXES

    def token(self, verb: str) -> str:
        """A new idempotency token that says who does what: TOOL-VERB-8 hex digits."""
        return f"{self.tool}-{verb}-{uuid.uuid4().hex[:8]}"

    def failure(self, verb: str, thing: str, error: Exception) -> ToolError:
        """`cannot VERB THING: CAUSE; REMEDY` for an error of the SDK; a SilentError where a Region does not answer."""
        kind = SilentError if silent(error) else ToolError
        cause, region = _cause(error), region_of(error)
        where = "" if region in f"{thing} {cause}" else f" in {region}"
        return kind(f"cannot {verb} {thing}{where}: {cause}", remedy=self._remedy(error))

    @contextmanager
    def doing(self, verb: str, thing: str) -> Iterator[None]:
        """Turn any error of the SDK in the block into a `failure`."""
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise self.failure(verb, thing, error) from error

    def explain(self, error: Exception) -> ToolError:
        """An error of the SDK that nobody gave a verb and an object: its operation is the verb; a SilentError where a
        Region does not answer."""
        if silent(error):
            return SilentError(_cause(error), remedy=self._remedy(error))
        region = region_of(error)
        where = f" in {region}" if region else ""
        prefix = f"AWS refused {error.operation_name}{where}: " if isinstance(error, ClientError) else ""
        return ToolError(f"{prefix}{_cause(error)}", remedy=self._remedy(error))

    def fix(self, reason: str) -> str:
        """The remedy for a reason AWS gave, "" where none is known."""
        return self.text(next((fix for words, fix in self.fixes if re.search(words, reason, re.IGNORECASE)), ""))

    def text(self, text: str) -> str:
        """A text of this advice as the operator reads it."""
        return text.replace("{repeat}", self.repeat)

    def _remedy(self, error: Exception) -> str:
        return self.text(next((remedy for codes, remedy in self.remedies if code_of(error) in codes), ""))


NEUTRAL = Advice()


def code_of(error: Exception) -> str:
    """The error code AWS answered, such as StackSetNotFoundException; without an answer, the exception's class."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__


def reason_of(error: ClientError) -> str:
    """The sentence AWS answered, on one line."""
    return " ".join(str(error.response.get("Error", {}).get("Message", "")).split()) or code_of(error)


def silent(error: BaseException | None) -> bool:
    """Whether an error of the SDK says that a Region does not answer, or is ill: another one may do better."""
    if isinstance(error, ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= SERVER_ERROR
    return isinstance(error, UNREACHED)


def passing(error: BaseException | None) -> bool:
    """Whether an error, of the SDK or made of one, may pass: by itself, or once the credentials are renewed."""
    reason = error.__cause__ if isinstance(error, ToolError) else error
    codes = THROTTLED | EXPIRED | NO_ANSWER
    return isinstance(reason, Exception) and (silent(reason) or code_of(reason) in codes)


def region_of(error: Exception) -> str:
    """The Region that an error of the SDK is of, "" where it does not tell."""
    if isinstance(error, ClientError):
        return str(error.response.get("ResponseMetadata", {}).get(REGION, ""))
    return str(getattr(error, "kwargs", {}).get(REGION, ""))


def short(text: str) -> str:
    """A text with the names of stacks and StackSets for their ARNs of 150 characters."""
    return STACK_ARN.sub(r"\1", text)


def _cause(error: Exception) -> str:
    region = region_of(error)
    if isinstance(error, ClientError):
        said = f"{short(reason_of(error))} ({code_of(error)})"
        return f"{region} does not answer: {said}" if region and silent(error) else said
    if isinstance(error, UNREACHED):
        address = str(error.kwargs.get("endpoint_url", "the endpoint"))
        return f"{region} does not answer ({address})" if region else f"{address} does not answer"
    return " ".join(str(error).split())
