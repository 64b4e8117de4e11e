"""What the emulator does anew for each request, done once: to read an expression, to judge its grammar, to start the
thread of a function; and who calls is told without gathering the caller's policies, which nobody asks for there."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from ministack.core import concurrency, iam_evaluator
from ministack.core.responses import _account_from_sts_session, get_account_id
from ministack.core.router import extract_access_key_id
from ministack.services import dynamodb

from localcloud.cloud import Cloud
from localcloud.gaps import patching

EXPRESSIONS: Final = 4096
THREADS: Final = 4096
"""At once; more than a machine runs. What runs there may call back and wait for another of them, so none may wait."""


def install(_: Cloud) -> None:
    """Expressions come from functions, whose own are few: their values are not in them."""
    read = lru_cache(EXPRESSIONS)(dynamodb._tokenize)
    patching.wrap(dynamodb, "_tokenize", lambda _, text: list(read(text)))
    judge = lru_cache(EXPRESSIONS)(dynamodb._condition_syntax_error)  # what is wrong raises, and is judged anew
    patching.wrap(dynamodb, "_condition_syntax_error", lambda _, text, slot: judge(text, slot))
    patching.wrap(iam_evaluator, "request_caller_arn", _caller)
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="reentrant")
    patching.wrap(concurrency, "run_reentrant", lambda _, work, *arguments, **__: _run(pool, work, *arguments))


def _caller(_: Any, headers: dict[str, str], query: dict[str, Any] | None = None) -> str:
    """The ARN of who signed a request; the account's root where nobody did, or with a key that is unknown."""
    account = get_account_id()
    key = extract_access_key_id(headers or {}, query or {})
    if key:
        credential = iam_evaluator.resolve_credential(key, _account_from_sts_session(key) or account)
        if arn := getattr(credential, "principal_arn", ""):
            return str(arn)
    return f"arn:aws:iam::{account}:root"


async def _run(pool: ThreadPoolExecutor, work: Callable[..., Any], *arguments: Any) -> Any:
    """The emulator's `run_reentrant` with threads that are used again. What was begun is waited for even when whoever
    asked has gone: the caller would give free what the thread still uses."""
    context = contextvars.copy_context()
    future = asyncio.get_running_loop().run_in_executor(pool, context.run, work, *arguments)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            with suppress(asyncio.CancelledError, Exception):
                await asyncio.shield(future)
        future.exception()
        raise
