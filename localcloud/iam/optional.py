"""What the handlers of resource types do for certain properties only, and what their schemas name in vain."""

from collections.abc import Mapping
from typing import Final

# Resource type -> property -> what only it needs.
OPTIONAL: Final[Mapping[str, Mapping[str, set[str]]]] = {
    "AWS::ApiGateway::RestApi": {"Policy": {"apigateway:UpdateRestApiPolicy"}},
    "AWS::CertificateManager::Certificate": {
        "CertificateAuthorityArn": {"acm-pca:GetCertificate", "acm-pca:IssueCertificate"},
        "CertificateTransparencyLoggingPreference": {"acm:UpdateCertificateOptions"},
    },
    "AWS::DynamoDB::Table": {
        "ContributorInsightsSpecification": {"dynamodb:UpdateContributorInsights"},
        "ImportSourceSpecification": {
            "dynamodb:DescribeImport",
            "dynamodb:ImportTable",
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:DescribeLogGroups",
            "logs:DescribeLogStreams",
            "logs:PutLogEvents",
            "logs:PutRetentionPolicy",
            "s3:GetObject",
            "s3:GetObjectMetadata",
            "s3:ListBucket",
        },
        "KinesisStreamSpecification": {
            "dynamodb:DisableKinesisStreamingDestination",
            "dynamodb:EnableKinesisStreamingDestination",
            "dynamodb:UpdateKinesisStreamingDestination",
            "kinesis:DescribeStream",
            "kinesis:PutRecords",
        },
        "ResourcePolicy": {"dynamodb:DeleteResourcePolicy", "dynamodb:PutResourcePolicy"},
        "TimeToLiveSpecification": {"dynamodb:UpdateTimeToLive"},
        # Replicas of a plain table, which a stream is the sign of.
        "StreamSpecification": {
            "dynamodb:AssociateTableReplica",
            "dynamodb:BatchWriteItem",
            "dynamodb:CreateTableReplica",
            "dynamodb:DeleteItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:Scan",
            "dynamodb:UpdateItem",
        },
    },
    "AWS::Events::EventBus": {
        "Policy": {"events:PutPermission"},
        "KmsKeyIdentifier": {
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:ReEncrypt",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        },
    },
    "AWS::IAM::Policy": {
        "Groups": {"iam:DeleteGroupPolicy", "iam:GetGroupPolicy", "iam:PutGroupPolicy"},
        "Users": {"iam:DeleteUserPolicy", "iam:GetUserPolicy", "iam:PutUserPolicy"},
    },
    "AWS::IAM::Role": {
        "ManagedPolicyArns": {"iam:AttachRolePolicy", "iam:DetachRolePolicy"},
        "PermissionsBoundary": {"iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"},
    },
    "AWS::KMS::Key": {"Enabled": {"kms:DisableKey", "kms:EnableKey"}},
    "AWS::Lambda::Function": {
        "CapacityProviderConfig": {"lambda:PassCapacityProvider"},
        "CodeSigningConfigArn": {
            "lambda:DeleteFunctionCodeSigningConfig",
            "lambda:GetCodeSigningConfig",
            "lambda:PutFunctionCodeSigningConfig",
        },
        "FileSystemConfigs": {"elasticfilesystem:DescribeMountTargets", "s3files:ListMountTargets"},
        "FunctionScalingConfig": {"lambda:PutFunctionScalingConfig"},
        "Layers": {"lambda:GetLayerVersion"},
        "PublishToLatestPublished": {"lambda:PublishVersion"},
        "RecursiveLoop": {"lambda:PutFunctionRecursionConfig"},
        "RuntimeManagementConfig": {"lambda:AssociateRuntimeAlias", "lambda:PutRuntimeManagementConfig"},
        "VpcConfig": {
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
        },
    },
    "AWS::Logs::LogGroup": {
        "BearerTokenAuthenticationEnabled": {"logs:PutBearerTokenAuthentication"},
        "DataProtectionPolicy": {
            "firehose:TagDeliveryStream",
            "logs:CreateLogDelivery",
            "logs:PutDataProtectionPolicy",
            "s3:REST.PUT.OBJECT",
        },
        "DeletionProtectionEnabled": {"logs:PutLogGroupDeletionProtection"},
        "FieldIndexPolicies": {"logs:DeleteIndexPolicy", "logs:PutIndexPolicy"},
        "ResourcePolicyDocument": {"logs:DeleteResourcePolicy", "logs:PutResourcePolicy"},
    },
    "AWS::S3::Bucket": {
        "AbacStatus": {"s3:PutBucketAbac"},
        "AccelerateConfiguration": {"s3:PutAccelerateConfiguration"},
        "AccessControl": {"s3:PutBucketAcl", "s3:PutObjectAcl"},
        "AnalyticsConfigurations": {"s3:DeleteBucketAnalyticsConfiguration", "s3:PutAnalyticsConfiguration"},
        "CorsConfiguration": {"s3:DeleteBucketCors", "s3:PutBucketCORS"},
        "IntelligentTieringConfigurations": {"s3:PutIntelligentTieringConfiguration"},
        "InventoryConfigurations": {"s3:PutInventoryConfiguration"},
        "MetadataTableConfiguration": {"s3:CreateBucketMetadataTableConfiguration"},
        "MetadataConfiguration": {
            "s3:DeleteBucketMetadataTableConfiguration",
            "s3:UpdateBucketMetadataAnnotationTableConfiguration",
            "s3:UpdateBucketMetadataInventoryTableConfiguration",
            "s3:UpdateBucketMetadataJournalTableConfiguration",
            "s3tables:CreateNamespace",
            "s3tables:CreateTable",
            "s3tables:CreateTableBucket",
            "s3tables:GetTable",
            "s3tables:GetTableMetadataLocation",
            "s3tables:PutTableBucketPolicy",
            "s3tables:PutTableEncryption",
            "s3tables:PutTablePolicy",
            "s3tables:UpdateTableMetadataLocation",
        },
        "MetricsConfigurations": {"s3:DeleteBucketMetricsConfiguration", "s3:PutMetricsConfiguration"},
        "NotificationConfiguration": {"s3:PutBucketNotification"},
        "ObjectLockConfiguration": {"s3:PutBucketObjectLockConfiguration", "s3:PutObjectLockConfiguration"},
        "WebsiteConfiguration": {"s3:DeleteBucketWebsite", "s3:PutBucketWebsite"},
    },
    "AWS::SNS::Subscription": {"SubscriptionRoleArn": {"iam:GetRole", "iam:PassRole"}},
    "AWS::SNS::Topic": {
        "DataProtectionPolicy": {"sns:PutDataProtectionPolicy"},
        "DeliveryStatusLogging": {"iam:GetRole", "iam:PassRole"},
    },
    "AWS::Route53::HealthCheck": {"RoutingControlArn": {"route53-recovery-control-config:DescribeRoutingControl"}},
    "AWS::StepFunctions::StateMachine": {"DefinitionS3Location": {"s3:GetObjectVersion"}},
}

# What schemas name and IAM does not ask for, or not of us, each with its reason.
NEVER: Final = {
    # Calls of the S3 API; the rights behind them are s3:Put...Configuration (S3 guide, "Required permissions").
    "s3:DeleteBucketEncryption",
    "s3:DeleteBucketLifecycle",
    "s3:DeleteBucketReplication",
    "s3:PutBucketReplication",
    # Objects are never CloudFormation's to delete: `payctl destroy` empties the bucket with the operator's rights.
    "s3:DeleteObject",
    # DynamoDB retires its grants by itself; the key of a table is never changed.
    "kms:RevokeGrant",
}

# What a handler does and the type's schema does not name, by type and operation.
UNNAMED: Final = {
    # API Gateway makes its service-linked role with the first custom domain of an account.
    ("AWS::ApiGateway::DomainName", "create"): ["iam:CreateServiceLinkedRole"],
    # It ends by reading the key (source of the resource provider, CreateHandler).
    ("AWS::KMS::Key", "create"): [
        "kms:DescribeKey",
        "kms:GetKeyPolicy",
        "kms:GetKeyRotationStatus",
        "kms:ListResourceTags",
    ],
}
# What the schema names for an operation that does not do it.
NOT_THEN: Final = {
    # The policy is part of CreateKey (the same source).
    ("AWS::KMS::Key", "create"): {"kms:PutKeyPolicy"},
}
