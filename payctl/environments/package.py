"""What a deployment uploads: lambda/ as a deterministic zip, and templates too long for a request."""

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from payctl.advice import doing
from payctl.cloud import Cloud
from payctl.environments.templates import Template
from payctl.names import artifact_bucket
from stacksets.errors import ToolError, code_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FOLDER = Path("lambda")
# The zip format knows no earlier moment; a fixed one makes equal sources equal bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)
MISSING = {"404", "NoSuchKey", "NotFound"}


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
    def key(self) -> str:
        """Where it lies in every artifact bucket."""
        return f"code/{self.hash}.zip"


def build(folder: Path = FOLDER) -> Package:
    """Zip the folder: sorted, without times, owners or compression, so that every machine makes the same bytes.

    Raises ToolError where there is nothing to zip.
    """
    files = sorted(file for file in folder.rglob("*") if file.is_file() and _belongs(file.relative_to(folder)))
    if not files:
        raise ToolError(f"{folder}/ holds no code to deploy", remedy="run payctl in the project folder")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), EPOCH)
            entry.create_system = 3  # Unix, on every system
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes())
    return Package(content=buffer.getvalue(), files=len(files))


def upload_code(cloud: Cloud, package: Package) -> tuple[str, ...]:
    """Put the zip into every Region's artifact bucket at once. Returns the Regions that did not have it yet."""

    def upload(region: str) -> bool:
        bucket = artifact_bucket(region, cloud.account)
        return put_once(cloud.s3(region), bucket, package.key, package.content, region=region, owner=cloud.account)

    return tuple(region for region, fresh in cloud.everywhere(upload).items() if fresh)


def upload_template(cloud: Cloud, template: Template, *, region: str, administrator: bool = False) -> str:
    """The address in a Region that CloudFormation can read the template from; "" where it fits into a request.

    A StackSet reads its template as the administrator account, a stack as the target account.
    """
    if template.inline:
        return ""
    account = cloud.administrator if administrator else cloud.account
    s3 = cloud.administrator_client("s3", region) if administrator else cloud.s3(region)
    bucket = artifact_bucket(region, account)
    put_once(s3, bucket, template.key, template.text.encode(), region=region, owner=account)
    if cloud.endpoint:
        return f"{cloud.endpoint}/{bucket}/{template.key}"
    return f"https://{bucket}.s3.{region}.amazonaws.com/{template.key}"


def put_once(api: "S3Client", bucket: str, key: str, content: bytes, *, region: str, owner: str) -> bool:
    """Upload unless the object is there. The bucket must be the account's own: names are world-wide and guessable."""
    with doing("look into", f"bucket {bucket}"):
        try:
            api.head_object(Bucket=bucket, Key=key, ExpectedBucketOwner=owner)
        except ClientError as error:
            if code_of(error) not in MISSING:
                raise
        else:
            return False
    with doing("upload to", f"bucket {bucket}"):
        try:
            api.put_object(Bucket=bucket, Key=key, Body=content, ExpectedBucketOwner=owner)
        except api.exceptions.NoSuchBucket as error:
            raise ToolError(
                f"bucket {bucket} does not exist: {region} of account {owner} is not bootstrapped",
                remedy="run `payctl bootstrap`",
            ) from error
    return True


def _belongs(file: Path) -> bool:
    return "__pycache__" not in file.parts and not any(part.startswith(".") for part in file.parts)
