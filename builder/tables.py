"""The permit register of a Region and the global table of public records (docs/design.md, "The public record" and "The
register table")."""

from troposphere import Equals, GetAtt, If, Not, NoValue, Ref, Select, Split, Sub, Template
from troposphere.dynamodb import (
    AttributeDefinition,
    GlobalSecondaryIndex,
    GlobalTable,
    GlobalTableGlobalSecondaryIndex,
    GlobalTableSSESpecification,
    KeySchema,
    PointInTimeRecoverySpecification,
    Projection,
    ProvisionedThroughput,
    ReplicaSpecification,
    ReplicaSSESpecification,
    SSESpecification,
    StreamSpecification,
    Table,
)
from troposphere.kms import Key

from builder import waivers
from builder.intrinsics import tags
from builder.names import REGISTER, TABLE
from builder.settings import Settings


def add_register(template: Template, key: Key) -> Table:
    """A plain table of this Region only; never replicated, never restored in place, no TTL.

    Its index gets the units of the table: it takes two writes for three of the table while all is well, and two for
    each while much waits; an index that is throttled throttles its table.
    """
    units = If(
        "Provisioned",
        ProvisionedThroughput(ReadCapacityUnits=Ref("RegisterReads"), WriteCapacityUnits=Ref("RegisterWrites")),
        NoValue,
    )
    return template.add_resource(
        Table(
            "RegisterTable",
            TableName=Sub(REGISTER),
            AttributeDefinitions=[
                AttributeDefinition(AttributeName="TransactionId", AttributeType="S"),
                AttributeDefinition(AttributeName="due_at", AttributeType="N"),
                AttributeDefinition(AttributeName="due_shard", AttributeType="S"),
            ],
            BillingMode=If("Provisioned", "PROVISIONED", "PAY_PER_REQUEST"),
            DeletionProtectionEnabled=If("Protected", True, False),
            # Sparse: only cells with open work have the two attributes.
            GlobalSecondaryIndexes=[
                GlobalSecondaryIndex(
                    IndexName="due",
                    KeySchema=[
                        KeySchema(AttributeName="due_shard", KeyType="HASH"),
                        KeySchema(AttributeName="due_at", KeyType="RANGE"),
                    ],
                    Projection=Projection(ProjectionType="KEYS_ONLY"),
                    ProvisionedThroughput=units,
                )
            ],
            KeySchema=[KeySchema(AttributeName="TransactionId", KeyType="HASH")],
            PointInTimeRecoverySpecification=PointInTimeRecoverySpecification(PointInTimeRecoveryEnabled=True),
            ProvisionedThroughput=units,
            SSESpecification=SSESpecification(KMSMasterKeyId=GetAtt(key, "Arn"), SSEEnabled=True, SSEType="KMS"),
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Retain",
            Tags=tags(REGISTER),
        )
    )


def add_records(template: Template, settings: Settings) -> GlobalTable:
    """The global table; each replica with its own Region's key, recovery and deletion protection.

    One may be absent: a replica whose key is gone is dropped and made anew (docs/aws.md, "Every replica has its own
    key").
    """
    for rank, region in enumerate(settings.regions):
        template.add_condition(f"HasReplica{rank}", Not(Equals(Ref("AbsentReplica"), region)))
    return template.add_resource(
        GlobalTable(
            "PaymentsTable",
            TableName=Sub(TABLE),
            AttributeDefinitions=[
                AttributeDefinition(AttributeName="Timestamp", AttributeType="N"),
                AttributeDefinition(AttributeName="TransactionId", AttributeType="S"),
            ],
            BillingMode="PAY_PER_REQUEST",
            GlobalSecondaryIndexes=[
                GlobalTableGlobalSecondaryIndex(
                    IndexName="TimestampIndex",
                    KeySchema=[KeySchema(AttributeName="Timestamp", KeyType="HASH")],
                    Projection=Projection(ProjectionType="ALL"),
                )
            ],
            KeySchema=[KeySchema(AttributeName="TransactionId", KeyType="HASH")],
            Replicas=[
                If(f"HasReplica{rank}", replica(region, rank), NoValue) for rank, region in enumerate(settings.regions)
            ],
            SSESpecification=GlobalTableSSESpecification(SSEEnabled=True, SSEType="KMS"),
            StreamSpecification=StreamSpecification(StreamViewType="NEW_AND_OLD_IMAGES"),
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Retain",
            Metadata=waivers.skip(waivers.RECOVERY_UNSEEN),
        )
    )


def replica(region: str, rank: int) -> ReplicaSpecification:
    """One replica; its tags name its own Region, not the stack's."""
    return ReplicaSpecification(
        Region=region,
        DeletionProtectionEnabled=If("Protected", True, False),
        PointInTimeRecoverySpecification=PointInTimeRecoverySpecification(PointInTimeRecoveryEnabled=True),
        SSESpecification=ReplicaSSESpecification(KMSMasterKeyId=Select(rank, Split(",", Sub("${KeyArns},,")))),
        Tags=tags(TABLE, region=region),
    )
