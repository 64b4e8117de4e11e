"""What a deployment uploads: lambda/ as a deterministic zip, and templates too long for a request."""

import hashlib
import io
import zipfile
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from payctl.advice import doing
from payctl.cloud import Cloud
from payctl.names import artifact_bucket
from payctl.releases import sources
from payctl.releases.templates import Template
from stacksets.errors import ToolError, code_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# The zip format knows no earlier moment; a fixed one makes equal sources equal bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)
MISSING = {"404", "NoSuchKey", "NotFound"}
TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}
TRIES = 3
BOOTSTRAP = "run `payctl bootstrap`"


@dataclass(frozen=True, kw_only=True)
class Placed:
    """An object that lies in a bucket as it was built: which version; `fresh` where it was not there yet."""

    version: str
    fresh: bool


@dataclass(frozen=True, kw_only=True)
class Package:
    """The functions' code as one zip; its name is its content."""

    content: bytes
    files: int

    @property
    def hash(self) -> str:
        """SHA-256 of the zip, in hex: the parameter CodeHash."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def sha256(self) -> str:
        """The same as S3 and Lambda write it."""
        return _sha256(self.content)

    @property
    def key(self) -> str:
        """Where it lies in every artifact bucket."""
        return f"code/{self.hash}.zip"


def build(folder: Path | None = None) -> Package:
    """Zip the folder, or what is deployed from here: sorted, without times, owners or compression, so that every
    machine makes the same bytes.

    Raises ToolError where there is nothing to zip.
    """
    folder, packed = (folder, folder) if folder else sources.code()
    files = sorted(file for file in packed.rglob("*") if file.is_file() and _belongs(file.relative_to(folder)))
    if not files:
        raise ToolError(f"{packed}/ holds no code to deploy", remedy="run payctl in the project folder")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), EPOCH)
            entry.create_system = 3  # Unix, on every system
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes())
    return Package(content=buffer.getvalue(), files=len(files))


def upload_code(cloud: Cloud, package: Package) -> dict[str, Placed]:
    """Put the zip into every Region's artifact bucket at once, or compare what lies there already."""

    def upload(region: str) -> Placed:
        bucket = artifact_bucket(region, cloud.account)
        return place(cloud.s3(region), bucket, package.key, package.content, region=region, owner=cloud.account)

    return cloud.everywhere(upload)


def upload_template(cloud: Cloud, template: Template, *, region: str, administrator: bool = False) -> str:
    """The address in a Region that CloudFormation can read the template from; "" where it fits into a request.

    A StackSet reads its template as the administrator account, a stack as the target account. The address names the
    version (docs/decisions/what-was-built.md).
    """
    if template.inline:
        return ""
    account = cloud.administrator if administrator else cloud.account
    s3 = cloud.administrator_client("s3", region) if administrator else cloud.s3(region)
    bucket = artifact_bucket(region, account)
    placed = place(s3, bucket, template.key, template.text.encode(), region=region, owner=account)
    host = f"{cloud.endpoint}/{bucket}" if cloud.endpoint else f"https://{bucket}.s3.{region}.amazonaws.com"
    return f"{host}/{template.key}?versionId={quote(placed.version, safe='')}"


def place(api: "S3Client", bucket: str, key: str, content: bytes, *, region: str, owner: str) -> Placed:
    """Upload unless the object is there, and then compare it: whoever may write to the bucket may have swapped it.

    The bucket must be the account's own: names are world-wide and guessable. Raises ToolError for other content.
    """
    for _ in range(TRIES):
        if version := _present(api, bucket, key, content, owner):
            return Placed(version=version, fresh=False)
        with doing("upload to", f"bucket {bucket}"):
            try:
                answer = api.put_object(
                    Bucket=bucket,
                    Key=key,
                    Body=content,
                    ChecksumSHA256=_sha256(content),
                    IfNoneMatch="*",
                    ExpectedBucketOwner=owner,
                )
            except api.exceptions.NoSuchBucket as error:
                raise ToolError(
                    f"bucket {bucket} does not exist: {region} of account {owner} is not bootstrapped",
                    remedy=BOOTSTRAP,
                ) from error
            except ClientError as error:
                if code_of(error) not in TAKEN:
                    raise
                continue  # somebody was faster: what they wrote is compared
        return Placed(version=_version(answer, bucket), fresh=True)
    raise ToolError(f"{bucket}/{key} is being written and deleted by somebody else", remedy="repeat the command")


def _present(api: "S3Client", bucket: str, key: str, content: bytes, owner: str) -> str:
    """The version of the object that is there, "" where there is none. Raises ToolError where it is another one."""
    with doing("look into", f"bucket {bucket}"):
        try:
            found = api.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED", ExpectedBucketOwner=owner)
        except ClientError as error:
            if code_of(error) not in MISSING:
                raise
            return ""
        version = _version(found, bucket)
        same = found["ContentLength"] == len(content)
        if same and found.get("ChecksumSHA256") != _sha256(content):
            # Uploaded without that checksum, or in parts: the bytes decide.
            body = api.get_object(Bucket=bucket, Key=key, VersionId=version, ExpectedBucketOwner=owner)["Body"]
            same = body.read() == content
    if not same:
        raise ToolError(
            f"{bucket}/{key}, version {version}, is not what was built",
            remedy="find out who wrote it (CloudTrail, PutObject), then `aws s3api delete-object "
            f"--bucket {bucket} --key {key} --version-id {version}` and repeat the command",
        )
    return version


def _version(answer: Mapping[str, Any], bucket: str) -> str:
    version = str(answer.get("VersionId", "null"))
    if version == "null":
        raise ToolError(f"bucket {bucket} keeps no versions, so what is used cannot be pinned", remedy=BOOTSTRAP)
    return version


def _sha256(content: bytes) -> str:
    return b64encode(hashlib.sha256(content).digest()).decode()


def _belongs(file: Path) -> bool:
    return "__pycache__" not in file.parts and not any(part.startswith(".") for part in file.parts)
