"""The pinned emulator: its version, checked before it is loaded, and its settings."""

import os
from importlib import metadata
from pathlib import Path
from typing import Final

from localcloud.client import ACCOUNT, LocalCloudError

# The gaps reach into this version's internals (docs/decisions/emulator-version.md).
VERSION: Final = "1.5.33"


def check() -> None:
    """Raise LocalCloudError with the remedy unless exactly this version is installed."""
    try:
        installed = metadata.version("ministack")
    except metadata.PackageNotFoundError:
        installed = "none"
    if installed != VERSION:
        remedy = "run `make setup`, or install multi-region-payments[local]"
        raise LocalCloudError(f"the local cloud needs ministack {VERSION}; installed: {installed} ({remedy})")


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
