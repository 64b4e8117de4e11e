"""Small templates with the parameters and outputs of the real ones: a deployment of them takes a second."""

import json
from pathlib import Path
from typing import Any

REAL = Path(__file__).parents[2] / "templates"
SUB = "Fn::Sub"


def regional(*, broken_in: str = "", intake_stuck_in: str = "", retention: str = "300") -> dict[str, Any]:
    """Bucket, register table, key, a health check, a queue to change. Creating fails in the Region `broken_in`, and
    turning the intake off in `intake_stuck_in`."""
    real = json.loads((REAL / "regional.json").read_text())
    resources: dict[str, Any] = {
        "Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": _key_policy()}},
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "BucketName": {SUB: "payment-receipts-${AWS::Region}-${EnvironmentSuffix}-${AWS::AccountId}"},
                "VersioningConfiguration": {"Status": "Enabled"},
            },
        },
        "Register": {"Type": "AWS::DynamoDB::Table", "Properties": _register()},
        "Queue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "QueueName": {SUB: "payment-dead-letters-${AWS::Region}-${EnvironmentSuffix}"},
                "MessageRetentionPeriod": retention,
                "Tags": [{"Key": "Code", "Value": {"Ref": "CodeHash"}}, {"Key": "Keys", "Value": {"Ref": "KeyArns"}}],
            },
        },
        **_health_api(),
    }
    conditions: dict[str, Any] = {
        "Protected": real["Conditions"]["Protected"],
        "Home": {"Fn::Equals": [{"Ref": "AWS::Region"}, {"Ref": "HomeRegion"}]},
    }
    if broken_in or intake_stuck_in:
        here = {"Fn::Equals": [{"Ref": "AWS::Region"}, broken_in or intake_stuck_in]}
        off = {"Fn::Equals": [{"Ref": "Intake"}, "off"]}
        conditions["Breaks"] = {"Fn::And": [here, off]} if intake_stuck_in else here
        resources["Broken"] = {
            "Type": "Custom::Broken",
            "Condition": "Breaks",
            "DependsOn": ["Queue", "Register"],
            "Properties": {"ServiceToken": {SUB: "arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:none"}},
        }
    arn = "arn:aws:nothing:${AWS::Region}:${AWS::AccountId}:"
    values: dict[str, Any] = {name: {SUB: arn + name} for name in real["Outputs"]} | {
        "KeyArn": {"Fn::GetAtt": ["Key", "Arn"]},
        "KeyId": {"Ref": "Key"},
        "BucketName": {"Ref": "Bucket"},
        "ApiId": {"Ref": "Api"},
        "RegisterTableName": {"Ref": "Register"},
        "DeadLetterQueueUrl": {"Ref": "Queue"},
    }
    return {
        "Parameters": real["Parameters"],
        "Conditions": conditions,
        "Resources": resources,
        "Outputs": {name: {"Value": value} for name, value in values.items()},
    }


def linked() -> dict[str, Any]:
    """Besides what `regional` has, a queue that exists while the Regions are linked, and names the other Regions."""
    template = regional()
    template["Conditions"]["Linked"] = {"Fn::Not": [{"Fn::Equals": [{"Ref": "KeyArns"}, ""]}]}
    template["Resources"]["Link"] = {
        "Type": "AWS::SQS::Queue",
        "Condition": "Linked",
        "Properties": {
            "QueueName": {SUB: "payment-dead-letters-link-${AWS::Region}-${EnvironmentSuffix}"},
            "Tags": [{"Key": "Keys", "Value": {"Ref": "KeyArns"}}],
        },
    }
    return template


def world(*, broken: bool = False, replicated: bool = False) -> dict[str, Any]:
    """The public record, in the home Region only, or the real one with its replicas."""
    real = json.loads((REAL / "global.json").read_text())
    name = {SUB: "payments-${EnvironmentSuffix}"}
    resources: dict[str, Any] = {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": _table(name)}}
    if replicated:
        resources["Table"] = real["Resources"]["PaymentsTable"]
    if broken:
        properties = {"ServiceToken": "arn:aws:lambda:none"}
        resources["Broken"] = {"Type": "Custom::Broken", "DependsOn": "Table", "Properties": properties}
    return {
        "Parameters": real["Parameters"],
        "Conditions": real["Conditions"],
        "Resources": resources,
        "Outputs": {"TableName": {"Value": {"Ref": "Table"}}},
    }


def _register() -> dict[str, Any]:
    properties = _table({SUB: "payment-register-${AWS::Region}-${EnvironmentSuffix}"})
    keys = [{"AttributeName": "due_shard", "KeyType": "HASH"}, {"AttributeName": "due_at", "KeyType": "RANGE"}]
    properties["AttributeDefinitions"] += [
        {"AttributeName": "due_shard", "AttributeType": "S"},
        {"AttributeName": "due_at", "AttributeType": "N"},
    ]
    index = {"IndexName": "due", "KeySchema": keys, "Projection": {"ProjectionType": "KEYS_ONLY"}}
    return properties | {"GlobalSecondaryIndexes": [index]}


def _table(name: Any) -> dict[str, Any]:
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "TransactionId", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "TransactionId", "KeyType": "HASH"}],
        "DeletionProtectionEnabled": {"Fn::If": ["Protected", True, False]},
    }


def _key_policy() -> dict[str, Any]:
    root = {"AWS": {SUB: "arn:aws:iam::${AWS::AccountId}:root"}}
    return {"Statement": [{"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}]}


def _health_api() -> dict[str, Any]:
    """GET /health that answers 200 by itself."""
    return {
        "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": {SUB: "payment-api-${EnvironmentSuffix}"}}},
        "Health": {
            "Type": "AWS::ApiGateway::Resource",
            "Properties": {
                "RestApiId": {"Ref": "Api"},
                "ParentId": {"Fn::GetAtt": ["Api", "RootResourceId"]},
                "PathPart": "health",
            },
        },
        "GetHealth": {
            "Type": "AWS::ApiGateway::Method",
            "Properties": {
                "RestApiId": {"Ref": "Api"},
                "ResourceId": {"Ref": "Health"},
                "HttpMethod": "GET",
                "AuthorizationType": "NONE",
                "Integration": {
                    "Type": "MOCK",
                    "RequestTemplates": {"application/json": '{"statusCode": 200}'},
                    "IntegrationResponses": [{"StatusCode": "200"}],
                },
                "MethodResponses": [{"StatusCode": "200"}],
            },
        },
        "Deployment": {
            "Type": "AWS::ApiGateway::Deployment",
            "DependsOn": "GetHealth",
            "Properties": {"RestApiId": {"Ref": "Api"}},
        },
        "Stage": {
            "Type": "AWS::ApiGateway::Stage",
            "Properties": {"RestApiId": {"Ref": "Api"}, "DeploymentId": {"Ref": "Deployment"}, "StageName": "prod"},
        },
    }
