"""The AWS SDK. A part of it is imported when it is first used: the whole takes as long as most of payctl, and help, a
wrong option and wrong settings need none of it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3
    from botocore import auth, awsrequest, config, credentials, handlers, httpsession, loaders, session

__all__ = ["auth", "awsrequest", "boto3", "config", "credentials", "handlers", "httpsession", "loaders", "session"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """A module of the SDK."""
        if name not in __all__:
            raise AttributeError(name)
        return import_module(name if name == "boto3" else f"botocore.{name}")
