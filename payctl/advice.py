"""What payctl tells its operator of StackSets and of AWS errors: remedies, known causes, and its name in AWS's logs."""

from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from stacksets import errors
from stacksets.errors import SilentError, ToolError

_REMEDIES = (
    (
        errors.NO_CREDENTIALS,
        "set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use --local for the local cloud",
    ),
    (
        errors.NO_ANSWER,
        "check the network and the Region's name; the local cloud starts with `make up` or `localcloud --background`",
    ),
)
LESS_MEMORY = (
    "set functions.processor_memory = 3008 and run `make templates` (without a checkout `payctl init`), or ask AWS "
    "Support for more"
)
_FIXES = (
    (r"UnreservedConcurrentExecution", "set limits.reserved_concurrency = 0, or ask for a higher Lambda quota"),
    (r"'MemorySize' value failed to satisfy constraint", LESS_MEMORY),
    (errors.UNUSABLE_ROLE, "run `payctl bootstrap`, or correct the role names under [accounts]"),
    (
        r"not authorized to perform|AccessDenied",
        "run `payctl bootstrap` so that the execution role has the rights of this version",
    ),
    (r"BucketNotEmpty|bucket you tried to delete is not empty", "run `payctl destroy --delete-data`"),
    (r"deletion protection", "set options.protect = false and deploy before destroying"),
    (r"already exists", "something else holds this name: remove it, or choose another ENVIRONMENT_SUFFIX"),
    (r"NoSuchKey|NoSuchBucket", "run `payctl bootstrap`, then `payctl deploy`"),
    (r"ROLLBACK_COMPLETE state", "`payctl deploy` deletes such a stack and recreates it"),
)

ADVICE = errors.Advice(
    tool="payctl",
    repeat="repeat the command",
    watch="watch it with `payctl status`",
    silent="it needs the home Region: repeat it when that is back; `payctl status`, `pay`, `parked`, `resolve` and "
    "`redrive --region` work without it",
    half_deleted="finish deleting it (`payctl destroy`, if it is an environment's), then {repeat}",
    remedies=(*_REMEDIES, *errors.REMEDIES),
    fixes=(*_FIXES, *errors.FIXES),
)
doing, explain, failure = ADVICE.doing, ADVICE.explain, ADVICE.failure

Answer = TypeVar("Answer")


class Reading:
    """What is read of one Region: None, and why, for what cannot be; a Region that is silent is asked no more."""

    def __init__(self, trouble: str = "") -> None:
        self._troubles = dict.fromkeys(filter(None, (trouble,)))
        self.silent = False

    @property
    def trouble(self) -> str:
        """What could not be read, and why."""
        return "; ".join(self._troubles)

    def of(self, ask: Callable[[], Answer]) -> Answer | None:
        if self.silent:
            return None
        try:
            return ask()
        except (ClientError, BotoCoreError, ToolError) as error:
            told = error if isinstance(error, ToolError) else explain(error)
            self._troubles[told.message] = None
            self.silent = isinstance(told, SilentError)
            return None
