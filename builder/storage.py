"""The bucket of receipts and rulings, and its replication to the two other Regions (docs/design.md, "Receipts")."""

from typing import Any

from troposphere import GetAtt, If, NoValue, Sub, Template
from troposphere.iam import Role
from troposphere.kms import Key
from troposphere.s3 import (
    AbortIncompleteMultipartUpload,
    Bucket,
    BucketEncryption,
    BucketPolicy,
    DeleteMarkerReplication,
    EncryptionConfiguration,
    LifecycleConfiguration,
    LifecycleRule,
    LoggingConfiguration,
    Metrics,
    OwnershipControls,
    OwnershipControlsRule,
    PublicAccessBlockConfiguration,
    ReplicationConfiguration,
    ReplicationConfigurationRules,
    ReplicationConfigurationRulesDestination,
    ReplicationRuleFilter,
    ServerSideEncryptionByDefault,
    ServerSideEncryptionRule,
    SourceSelectionCriteria,
    SseKmsEncryptedObjects,
    VersioningConfiguration,
)

from builder.intrinsics import PEERS, bucket_arn, named_in, peer, tags
from builder.names import ACCESS_LOGS, BUCKET, REPLICATION
from builder.parameters import of_rank
from builder.policies import (
    WRITE_WITH_KEY,
    allow,
    document,
    only_recent_tls,
    only_tls,
    role,
    trust,
    use_key,
    use_peer_keys,
)

NOT_PUBLIC = PublicAccessBlockConfiguration(
    BlockPublicAcls=True, BlockPublicPolicy=True, IgnorePublicAcls=True, RestrictPublicBuckets=True
)
NO_ACLS = OwnershipControls(Rules=[OwnershipControlsRule(ObjectOwnership="BucketOwnerEnforced")])


def add_receipts(template: Template, key: Key) -> Bucket:
    """The bucket, its policy and the role that replicates it."""
    replicator = template.add_resource(replication_role(key))
    bucket = template.add_resource(
        Bucket(
            "ReceiptsBucket",
            BucketName=Sub(BUCKET),
            BucketEncryption=under(key),
            LifecycleConfiguration=LifecycleConfiguration(
                Rules=[
                    LifecycleRule(
                        Id="abandoned-uploads",
                        Status="Enabled",
                        AbortIncompleteMultipartUpload=AbortIncompleteMultipartUpload(DaysAfterInitiation=1),
                    )
                ]
            ),
            LoggingConfiguration=LoggingConfiguration(
                DestinationBucketName=Sub(ACCESS_LOGS), LogFilePrefix=Sub("receipts/${EnvironmentSuffix}/")
            ),
            OwnershipControls=NO_ACLS,
            PublicAccessBlockConfiguration=NOT_PUBLIC,
            # S3 refuses a destination that does not exist: replication comes when the Regions are linked.
            ReplicationConfiguration=If("Linked", replication(replicator), NoValue),
            VersioningConfiguration=VersioningConfiguration(Status="Enabled"),
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Retain",
            Tags=tags(BUCKET),
        )
    )
    everything = [GetAtt(bucket, "Arn"), Sub("${ReceiptsBucket.Arn}/*")]
    template.add_resource(
        BucketPolicy(
            "ReceiptsBucketPolicy",
            Bucket=bucket.ref(),
            PolicyDocument=document(*tls_statements(everything)),
        )
    )
    return bucket


def under(key: Key) -> BucketEncryption:
    """Encryption of a bucket under a key of ours, with bucket keys."""
    return _encryption(
        BucketKeyEnabled=True,
        ServerSideEncryptionByDefault=ServerSideEncryptionByDefault(
            KMSMasterKeyID=GetAtt(key, "Arn"), SSEAlgorithm="aws:kms"
        ),
    )


def _encryption(**rule: Any) -> BucketEncryption:
    return BucketEncryption(ServerSideEncryptionConfiguration=[ServerSideEncryptionRule(**rule)])


BY_S3 = _encryption(ServerSideEncryptionByDefault=ServerSideEncryptionByDefault(SSEAlgorithm="AES256"))


def tls_statements(resources: Any) -> list[Any]:
    """Refuse plain HTTP and TLS below 1.2 for a bucket and its objects."""
    return [only_tls(("s3:*",), resources), only_recent_tls(("s3:*",), resources)]


def replication(replicator: Role) -> ReplicationConfiguration:
    """One rule a destination, in the V2 form that several destinations need (filter, priority, delete markers)."""
    return ReplicationConfiguration(
        Role=GetAtt(replicator, "Arn"),
        Rules=[
            ReplicationConfigurationRules(
                Id=Sub("to-${Peer}", Peer=peer(which)),
                Priority=priority,
                Status="Enabled",
                Filter=ReplicationRuleFilter(Prefix=""),  # receipts and rulings
                DeleteMarkerReplication=DeleteMarkerReplication(Status="Disabled"),
                Destination=ReplicationConfigurationRulesDestination(
                    Bucket=named_in("arn:${AWS::Partition}:s3:::" + BUCKET, which),
                    EncryptionConfiguration=EncryptionConfiguration(ReplicaKmsKeyID=of_rank("KeyArns", f"{which}Rank")),
                    Metrics=Metrics(Status="Enabled"),
                ),
                SourceSelectionCriteria=SourceSelectionCriteria(
                    SseKmsEncryptedObjects=SseKmsEncryptedObjects(Status="Enabled")
                ),
            )
            for priority, which in enumerate(PEERS, start=1)
        ],
    )


def replication_role(key: Key) -> Role:
    """Read versions here, write replicas there (S3 guide, "Setting up permissions for live replication")."""
    return role(
        "ReplicationRole",
        REPLICATION,
        trust("s3"),
        allow(("s3:GetReplicationConfiguration", "s3:ListBucket"), bucket_arn(BUCKET)),
        allow(
            ("s3:GetObjectVersionAcl", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionTagging"),
            bucket_arn(BUCKET, "/*"),
        ),
        allow(
            ("s3:ReplicateObject", "s3:ReplicateTags"),
            [named_in("arn:${AWS::Partition}:s3:::" + BUCKET + "/*", which) for which in PEERS],
        ),
        use_key(key, "s3", actions=("kms:Decrypt",)),
        # Decrypt as well, for the buckets have keys of their own (docs/aws.md, "Replication under customer keys").
        *use_peer_keys("s3", ("kms:Encrypt", *WRITE_WITH_KEY)),
    )
