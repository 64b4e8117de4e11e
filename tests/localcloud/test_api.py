"""A REST API with IAM authorization and a function behind it: its answers, refusals, metrics and logs."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import localcloud
from tests.localcloud.conftest import ACCOUNT, Clients, eventually

REGION = "eu-west-1"
CODE = """
import json, time

class InvalidTransaction(Exception):
    pass

def handler(event, context):
    body = json.loads(event.get("body") or "{}") if "httpMethod" in event else event
    if "sleep" in body:
        time.sleep(body["sleep"])
    if "fail" in body:
        raise InvalidTransaction("secret text")
    if "malformed" in body:
        return {"answer": 1}
    dimensions = [["Environment", "Region"], []]
    metrics = [{"Name": "Settled", "Unit": "Count"}]
    directive = {"Namespace": "Payments", "Dimensions": dimensions, "Metrics": metrics}
    aws = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    print(json.dumps({"_aws": aws, "Environment": "test", "Region": "here", "Settled": 2}))
    context = event.get("requestContext", {})
    return {"statusCode": 200, "body": json.dumps(context.get("identity", {}))}
"""


def stack_template(name: str, *, timeout: int = 10, reserved: int = 1, validated: bool = True) -> str:
    def trust(service: str) -> dict[str, Any]:
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        return {"Version": "2012-10-17", "Statement": [statement]}

    def method(resource: str, verb: str, **properties: Any) -> dict[str, Any]:
        uri = "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations"
        integration = {"Type": "AWS_PROXY", "IntegrationHttpMethod": "POST", "Uri": {"Fn::Sub": uri}}
        common = {"RestApiId": {"Ref": "Api"}, "ResourceId": {"Ref": resource}, "HttpMethod": verb}
        return {
            "Type": "AWS::ApiGateway::Method",
            "Properties": {**common, "Integration": integration, "AuthorizationType": "AWS_IAM", **properties},
        }

    def resource(path: str) -> dict[str, Any]:
        parent = {"Fn::GetAtt": ["Api", "RootResourceId"]}
        properties = {"RestApiId": {"Ref": "Api"}, "ParentId": parent, "PathPart": path}
        return {"Type": "AWS::ApiGateway::Resource", "Properties": properties}

    def answer(response_type: str, status: str, **headers: str) -> dict[str, Any]:
        parameters = {f"gatewayresponse.header.{key}": f"'{value}'" for key, value in headers.items()}
        return {
            "Type": "AWS::ApiGateway::GatewayResponse",
            "Properties": {
                "RestApiId": {"Ref": "Api"},
                "ResponseType": response_type,
                "StatusCode": status,
                "ResponseParameters": parameters,
                "ResponseTemplates": {"application/json": json.dumps({"title": response_type})},
            },
        }

    answers = {
        "Denied": answer("ACCESS_DENIED", "403"),
        "Unsigned": answer("MISSING_AUTHENTICATION_TOKEN", "403"),
        "Body": answer("BAD_REQUEST_BODY", "400"),
        "Throttled": answer("THROTTLED", "429", **{"Retry-After": "1"}),
        "Failed": answer("DEFAULT_5XX", "503", **{"Retry-After": "2"}),
    }
    settings = {"ResourcePath": "/slow", "HttpMethod": "GET", "ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 1}
    log = {
        "DestinationArn": {"Fn::GetAtt": ["Log", "Arn"]},
        "Format": '{"status": "$context.status", "resource": "$context.resourcePath"}',
    }
    resources = {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"RoleName": name, "AssumeRolePolicyDocument": trust("lambda.amazonaws.com")},
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": name,
                "Runtime": "python3.12",
                "Handler": "index.handler",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": {"ZipFile": CODE},
                "Timeout": timeout,
                "ReservedConcurrentExecutions": reserved,
            },
        },
        "Permission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": {"Ref": "Function"},
                "Action": "lambda:InvokeFunction",
                "Principal": "apigateway.amazonaws.com",
            },
        },
        "Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": f"/access/{name}"}},
        "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": name}},
        "Model": {
            "Type": "AWS::ApiGateway::Model",
            "Properties": {
                "RestApiId": {"Ref": "Api"},
                "Name": "Thing",
                "ContentType": "application/json",
                "Schema": {"type": "object", "properties": {"sleep": {"type": "number"}}},
            },
        },
        "Validator": {
            "Type": "AWS::ApiGateway::RequestValidator",
            "Properties": {"RestApiId": {"Ref": "Api"}, "Name": "body", "ValidateRequestBody": validated},
        },
        "Things": resource("things"),
        "Open": resource("open"),
        "Slow": resource("slow"),
        "Post": method(
            "Things",
            "POST",
            RequestValidatorId={"Ref": "Validator"},
            RequestModels={"application/json": {"Ref": "Model"}},
        ),
        "Get": method("Open", "GET", AuthorizationType="NONE"),
        "GetSlow": method("Slow", "GET", AuthorizationType="NONE"),
        **answers,
        "Deployment": {
            "Type": "AWS::ApiGateway::Deployment",
            "DependsOn": ["Post", "Get", "GetSlow", *answers],
            "Properties": {"RestApiId": {"Ref": "Api"}},
        },
        "Stage": {
            "Type": "AWS::ApiGateway::Stage",
            "Properties": {
                "RestApiId": {"Ref": "Api"},
                "StageName": "prod",
                "DeploymentId": {"Ref": "Deployment"},
                "MethodSettings": [settings],
                "AccessLogSetting": log,
                "TracingEnabled": True,
            },
        },
    }
    return json.dumps({"Resources": resources, "Outputs": {"ApiId": {"Value": {"Ref": "Api"}}}})


@dataclass
class Answer:
    status: int
    headers: Message
    body: Any


@dataclass
class Api:
    """The deployed API, and a user who may call it."""

    endpoint: str
    id: str
    name: str
    key: Credentials
    user_arn: str

    def call(
        self, method: str, path: str, body: Any = None, *, key: Credentials | None = None, signed: bool = True
    ) -> Answer:
        url = localcloud.api_url(self.endpoint, self.id, REGION, path)
        data = None if body is None else json.dumps(body).encode()
        request = AWSRequest(method=method, url=url, data=data, headers={"Content-Type": "application/json"})
        if signed:
            SigV4Auth(key or self.key, "execute-api", REGION).add_auth(request)
        plain = urllib.request.Request(url, data, dict(request.headers.items()), method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(plain, timeout=30) as response:  # noqa: S310
                return Answer(response.status, response.headers, json.load(response))
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, json.load(error))


@pytest.fixture(scope="module")
def api(cloud: localcloud.LocalCloud, client: Clients) -> Iterator[Api]:
    name = "api-under-test"
    cloudformation, iam = client("cloudformation", REGION), client("iam")
    cloudformation.create_stack(
        StackName=name, TemplateBody=stack_template(name), Capabilities=["CAPABILITY_NAMED_IAM"]
    )

    def ended() -> Any:
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

    stack = eventually(ended)
    assert stack["StackStatus"] == "CREATE_COMPLETE", cloudformation.describe_stack_events(StackName=name)
    api_id = stack["Outputs"][0]["OutputValue"]
    user = iam.create_user(UserName=name)["User"]["Arn"]
    statement = {
        "Effect": "Allow",
        "Action": "execute-api:Invoke",
        "Resource": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api_id}/prod/POST/things",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_user_policy(UserName=name, PolicyName="call", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    credentials = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    yield Api(cloud.endpoint, api_id, name, credentials, user)
    cloudformation.delete_stack(StackName=name)


def test_a_signed_call_reaches_the_function_with_the_callers_identity(api: Api) -> None:
    answer = api.call("POST", "/things", {})
    assert answer.status == 200
    assert (answer.body["accountId"], answer.body["userArn"]) == (ACCOUNT, api.user_arn)


def test_what_is_not_signed_right_is_refused_by_the_gateway_response(api: Api, client: Clients) -> None:
    unsigned = api.call("POST", "/things", {}, signed=False)
    assert (unsigned.status, unsigned.body["title"]) == (403, "MISSING_AUTHENTICATION_TOKEN")
    assert unsigned.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    forged = api.call("POST", "/things", {}, key=Credentials(api.key.access_key, "wrong"))
    assert forged.status == 403
    other = client("iam").create_user(UserName="api-stranger")["User"]["UserName"]
    key = client("iam").create_access_key(UserName=other)["AccessKey"]
    denied = api.call("POST", "/things", {}, key=Credentials(key["AccessKeyId"], key["SecretAccessKey"]))
    assert (denied.status, denied.body["title"]) == (403, "ACCESS_DENIED")


def test_the_body_is_validated_before_the_function_runs(api: Api) -> None:
    wrong = api.call("POST", "/things", {"sleep": "long"})
    assert (wrong.status, wrong.body["title"]) == (400, "BAD_REQUEST_BODY")


def test_a_failing_function_answers_503_without_its_text(api: Api) -> None:
    for body in ({"fail": 1}, {"malformed": 1}):
        answer = api.call("POST", "/things", body)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
        assert answer.body == {"title": "DEFAULT_5XX"}


def test_a_throttled_function_answers_503_not_429(api: Api, client: Clients) -> None:
    """Reserved concurrency 1: the second call at a time is throttled, which the gateway shows as its own failure."""
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: api.call("POST", "/things", {"sleep": 1}).status, range(4)))
    assert sorted(answers) == [200, 503, 503, 503]
    throttles = statistics(client, "AWS/Lambda", "Throttles", FunctionName=api.name)
    assert throttles == 3


def test_a_throttled_stage_answers_429(api: Api) -> None:
    statuses = [api.call("GET", "/slow", signed=False).status for _ in range(4)]
    assert 429 in statuses


def test_calls_are_counted_and_logged(api: Api, client: Clients) -> None:
    before = statistics(client, "AWS/ApiGateway", "4XXError", ApiName=api.name, Stage="prod")
    api.call("POST", "/things", {}, signed=False)
    assert statistics(client, "AWS/ApiGateway", "4XXError", ApiName=api.name, Stage="prod") == before + 1
    events = client("logs", REGION).filter_log_events(logGroupName=f"/access/{api.name}")["events"]
    assert '{"status": "403", "resource": "/things"}' in [event["message"] for event in events]


def test_a_traced_stage_keeps_the_address_of_each_request(api: Api, client: Clients) -> None:
    began = time.time() - 1
    api.call("GET", "/open?card=4111111111111111", signed=False)
    xray = client("xray", REGION)
    summaries = xray.get_trace_summaries(StartTime=began, EndTime=time.time())["TraceSummaries"]
    (seen,) = [each for each in summaries if each["Http"].get("HttpURL", "").endswith("/prod/open")]
    assert api.id in seen["Http"]["HttpURL"]
    (trace,) = xray.batch_get_traces(TraceIds=[seen["Id"]])["Traces"]
    document = json.loads(trace["Segments"][0]["Document"])
    assert document["http"]["request"]["url"] == seen["Http"]["HttpURL"]
    assert xray.batch_get_traces(TraceIds=["1-00000000-000000000000000000000000"])["Traces"] == []
    own: dict[str, Any] = {
        "trace_id": "1-00000000-0000000000000000000000aa",
        "id": "0" * 16,
        "name": "own",
        "start_time": began + 1,
    }
    xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(own)])
    assert str(own["trace_id"]) in str(xray.get_trace_summaries(StartTime=began, EndTime=time.time()))


def test_metrics_embedded_in_the_log_are_published(api: Api, client: Clients) -> None:
    before = statistics(client, "Payments", "Settled", Environment="test", Region="here")
    assert api.call("POST", "/things", {}).status == 200
    assert statistics(client, "Payments", "Settled", Environment="test", Region="here") == before + 2


def test_an_exception_goes_by_its_class_name(api: Api, client: Clients) -> None:
    """As the error that a workflow retries or catches."""
    answer = client("lambda", REGION).invoke(FunctionName=api.name, Payload=json.dumps({"fail": 1}))
    assert json.load(answer["Payload"])["errorType"] == "InvalidTransaction"
    assert answer["FunctionError"] == "Unhandled"


def test_an_update_reaches_every_property(api: Api, client: Clients) -> None:
    """Also those that the emulator's CloudFormation drops."""
    changed = stack_template(api.name, timeout=11, reserved=7, validated=False)
    cloudformation = client("cloudformation", REGION)
    for template, status in ((changed, 200), (stack_template(api.name), 400)):
        cloudformation.update_stack(StackName=api.name, TemplateBody=template, Capabilities=["CAPABILITY_NAMED_IAM"])
        eventually(
            lambda: cloudformation.describe_stacks(StackName=api.name)["Stacks"][0]["StackStatus"] == "UPDATE_COMPLETE"
        )
        assert api.call("POST", "/things", {"sleep": "0" if status == 400 else 0, "more": []}).status == status
        function = client("lambda", REGION).get_function(FunctionName=api.name)
        reserved = function["Concurrency"]["ReservedConcurrentExecutions"]
        assert (function["Configuration"]["Timeout"], reserved) == ((11, 7) if status == 200 else (10, 1))


def statistics(client: Clients, namespace: str, metric: str, **dimensions: str) -> float:
    """The metric's sum over the last hour."""
    points = client("cloudwatch", REGION).get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 60,
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))
