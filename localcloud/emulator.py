"""The pinned emulator: its settings, and a check that it still has every part that this package wraps."""

import importlib
import importlib.metadata
import os
from pathlib import Path
from typing import Final

VERSION: Final = "1.5.33"
ACCOUNT: Final = "000000000000"

# What localcloud calls, wraps or replaces. A new emulator version that renames one of these must be looked at first.
WRAPPED: Final = {
    "ministack.app": ("app",),
    "ministack.core.lambda_runtime": ("reset",),
    "ministack.core.responses": ("get_account_id", "get_region", "request_scope"),
    "ministack.services.cloudformation.handlers": ("_ACTION_HANDLERS", "_check_capabilities"),
    "ministack.services.cloudformation.helpers": ("_resolve_document", "_resolve_template"),
    "ministack.services.cloudformation.engine": ("_evaluate_conditions", "_parse_template"),
    "ministack.services.iam": ("_roles",),
}


class WrongEmulatorError(RuntimeError):
    """The installed emulator is not the one that this package was made for."""


def configure(port: int, folder: Path) -> None:
    """Set the emulator's environment; it reads most of it when it is imported, so this comes first.

    Everything that it writes goes under `folder`: nothing is shared with other servers or left over from them.
    """
    temporary = folder / "tmp"
    os.environ.update(
        AUTH="true",
        GATEWAY_PORT=str(port),
        MINISTACK_HOST="127.0.0.1",
        MINISTACK_REGION="us-east-1",
        MINISTACK_ACCOUNT_ID=ACCOUNT,
        TMPDIR=str(temporary),
        S3_DATA_DIR=str(temporary / "s3"),
        STATE_DIR=str(temporary / "state"),
        PERSIST_STATE="0",
        S3_PERSIST="0",
        SFTP_ENABLED="0",
        IOT_MTLS_ENABLED="0",
        LAMBDA_EXECUTOR="local",
        DOCKER_HOST=f"unix://{temporary}/no-docker.sock",  # never look for containers
        LOG_LEVEL=os.environ.get("LOCALCLOUD_LOG_LEVEL", "WARNING"),
    )
    # The caller's AWS settings would become those of every function and change who is root.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]


def check() -> None:
    """Raise WrongEmulatorError, naming the version expected, if a wrapped name is missing."""
    installed = importlib.metadata.version("ministack")
    for module_name, names in WRAPPED.items():
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError:
            raise _wrong(installed, module_name) from None
        for name in names:
            if not hasattr(module, name):
                raise _wrong(installed, f"{module_name}.{name}")


def _wrong(installed: str, missing: str) -> WrongEmulatorError:
    return WrongEmulatorError(
        f"the local cloud needs ministack {VERSION}; {installed} is installed and has no {missing} (run `make setup`)"
    )
