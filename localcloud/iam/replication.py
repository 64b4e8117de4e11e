"""What S3 itself needs: the role of a replication, and the policy of a bucket that access logs go to."""

import logging
from typing import Final

from ministack.core.responses import get_account_id
from ministack.services import s3

from localcloud.iam import documents
from localcloud.iam.rights import Rights

SERVICE: Final = "s3.amazonaws.com"
# S3 user guide, "Setting up permissions for live replication".
ON_SOURCE: Final = ("s3:GetReplicationConfiguration", "s3:ListBucket")
ON_VERSION: Final = ("s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging")
ON_REPLICA: Final = ("s3:ReplicateObject", "s3:ReplicateTags")
# The same, "Replicating encrypted objects"; with bucket keys S3 decrypts with the destination's key as well.
WITH_SOURCE_KEY: Final = ("kms:Decrypt",)
WITH_REPLICA_KEY: Final = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey")
SESSION: Final = "s3-replication"
logger = logging.getLogger("localcloud.access-logs")


def require_replication(
    rights: Rights, role: str, source: str, destination: str, *, key: str, replica_key: str
) -> None:
    """Raise DeniedError unless the role may copy the object `key`."""
    by = "a replicated object"
    here, there = f"arn:aws:s3:::{source}", f"arn:aws:s3:::{destination}"
    rights.require_trust(role, SERVICE, by=by)
    needed = ((ON_SOURCE, here), (ON_VERSION, f"{here}/{key}"), (ON_REPLICA, f"{there}/{key}"))
    for actions, resource in needed:
        for action in actions:
            rights.require(role, action, resource, by=by, session=SESSION)
    account = documents.account_of(role, here)
    if source_key := documents.key_of(here, account):
        rights.require_key(role, source_key, WITH_SOURCE_KEY, "s3", here, by=by, session=SESSION)
    if replica_key:
        rights.require_key(role, replica_key, WITH_REPLICA_KEY, "s3", there, by=by, session=SESSION)


def check_access_logs(rights: Rights, bucket: str, target: str, prefix: str) -> None:
    """S3 delivers access logs as a service, and loses them silently where the target's policy does not allow it."""
    if target not in s3._bucket_policies:
        return  # it comes later, and is looked at then
    source = {"aws:SourceArn": f"arn:aws:s3:::{bucket}", "aws:SourceAccount": get_account_id()}
    log = f"arn:aws:s3:::{target}/{prefix}2026-01-01-00-00-00-0123456789ABCDEF"
    if not rights.may("logging.s3.amazonaws.com", "s3:PutObject", log, source, by="an access log").allowed:
        logger.warning("access logs of %s are lost: the policy of %s does not allow them", bucket, target)
