"""The API (docs/design.md, "The REST API resource" and "Answers of the API")."""

import json
import re
from typing import Any

import pytest
from troposphere import Template

from builder import api
from builder.lint.evaluate import Resolved, resolve
from builder.regional_template import regional_template
from builder.settings import Accounts, Settings

SETTINGS = Settings(environment="dev", home="us-east-1", regions=("us-east-1", "eu-west-1", "ap-southeast-1"))


def test_regional_endpoint_and_stage(stack: Resolved) -> None:
    (rest_api,) = stack.of_type("AWS::ApiGateway::RestApi").values()
    assert (rest_api["Name"], rest_api["EndpointConfiguration"]) == ("payment-api-dev", {"Types": ["REGIONAL"]})
    (stage,) = stack.of_type("AWS::ApiGateway::Stage").values()
    # X-Ray would keep the address of each request, and so whatever is asked for as an id.
    assert (stage["StageName"], stage["TracingEnabled"]) == ("prod", False)


def test_payments_are_signed_and_health_is_open(stack: Resolved) -> None:
    methods = stack.of_type("AWS::ApiGateway::Method")
    found = {name: (body["HttpMethod"], body["AuthorizationType"]) for name, body in methods.items()}
    assert found == {
        "PostPayment": ("POST", "AWS_IAM"),
        "GetPayment": ("GET", "AWS_IAM"),
        "GetHealth": ("GET", "NONE"),
    }


def test_methods_are_proxies_to_their_functions(stack: Resolved) -> None:
    methods = stack.of_type("AWS::ApiGateway::Method")
    for name, function in (("PostPayment", "processor"), ("GetPayment", "processor"), ("GetHealth", "health")):
        integration = methods[name]["Integration"]
        assert (integration["Type"], integration["IntegrationHttpMethod"]) == ("AWS_PROXY", "POST")
        assert integration["Uri"].endswith(f":function:payment-{function}-{stack.region}-dev/invocations")
        assert integration["TimeoutInMillis"] <= 29_000


def test_gateway_asks_only_for_an_object_with_transaction(stack: Resolved) -> None:
    post = stack.of_type("AWS::ApiGateway::Method")["PostPayment"]
    assert post["RequestModels"] == {"application/json": f"PaymentModel-{stack.region}"}
    assert post["RequestValidatorId"] == f"PaymentValidator-{stack.region}"
    (validator,) = stack.of_type("AWS::ApiGateway::RequestValidator").values()
    assert validator["ValidateRequestBody"] is True
    (model,) = stack.of_type("AWS::ApiGateway::Model").values()
    schema = json.loads(model["Schema"])
    assert (schema["required"], schema["properties"]) == (["transaction"], {"transaction": {"type": "object"}})


def test_bodies_never_get_into_logs(stack: Resolved) -> None:
    (stage,) = stack.of_type("AWS::ApiGateway::Stage").values()
    for setting in stage["MethodSettings"]:
        assert (setting["LoggingLevel"], setting["DataTraceEnabled"]) == ("ERROR", False)
    log_format = stage["AccessLogSetting"]["Format"]
    assert not re.search(r"\$input|querystring|requestOverride|\$context\.path", log_format)
    assert json.loads(log_format)["requestId"] == "$context.requestId"


def test_access_log_is_a_group_of_the_template(stack: Resolved) -> None:
    (stage,) = stack.of_type("AWS::ApiGateway::Stage").values()
    group = stage["AccessLogSetting"]["DestinationArn"].rpartition(":log-group:")[2]
    assert group in {body["LogGroupName"] for body in stack.of_type("AWS::Logs::LogGroup").values()}


def test_throttling_by_parameters_and_shut_when_intake_is_off(templates: dict[str, Any]) -> None:
    assert _throttles(templates, ApiRate=7, ApiBurst=9) == {"/*": (7, 9), "/~1health": (50, 100)}
    assert _throttles(templates, Intake="off")["/*"] == (0, 0)


def _throttles(templates: dict[str, Any], **parameters: str | int) -> dict[str, tuple[int, int]]:
    stack = resolve(templates["regional"], region="eu-west-1", EnvironmentSuffix="dev", CodeHash="0" * 64, **parameters)
    (stage,) = stack.of_type("AWS::ApiGateway::Stage").values()
    return {
        setting["ResourcePath"]: (setting["ThrottlingRateLimit"], setting["ThrottlingBurstLimit"])
        for setting in stage["MethodSettings"]
    }


def test_gateway_answers_are_problem_json_and_echo_nothing(stack: Resolved) -> None:
    responses = stack.of_type("AWS::ApiGateway::GatewayResponse")
    assert {"DEFAULT_4XX", "DEFAULT_5XX"} <= {body["ResponseType"] for body in responses.values()}
    for name, body in responses.items():
        headers = body["ResponseParameters"]
        assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'", name
        text = body["ResponseTemplates"]["application/json"]
        assert "$" not in text, name
        assert set(json.loads(text)) <= {"type", "title", "status", "detail"}, name
        if "StatusCode" in body:
            assert json.loads(text)["status"] == int(body["StatusCode"]), name


def test_any_5xx_of_the_gateway_means_unknown_and_come_again(stack: Resolved) -> None:
    """A throttled function makes AWS answer 500: nobody knows what became of the payment."""
    responses = stack.of_type("AWS::ApiGateway::GatewayResponse")
    server = [body for body in responses.values() if body.get("StatusCode", "").startswith("5")]
    (body,) = server
    assert (body["ResponseType"], body["StatusCode"]) == ("DEFAULT_5XX", "503")
    assert body["ResponseParameters"]["gatewayresponse.header.Retry-After"] == "'2'"
    assert "may have been accepted and charged" in body["ResponseTemplates"]["application/json"]


def test_deployment_waits_for_all_it_shows(templates: dict[str, Any]) -> None:
    resources = templates["regional"]["Resources"]
    (deployment,) = [body for body in resources.values() if body["Type"] == "AWS::ApiGateway::Deployment"]
    shown = {
        name
        for name, body in resources.items()
        if body["Type"].removeprefix("AWS::ApiGateway::")
        in {"GatewayResponse", "Method", "Model", "RequestValidator", "Resource"}
    }
    assert set(deployment["DependsOn"]) == shown


def deployment_of(template: Template) -> str:
    (name,) = [name for name in template.resources if name.startswith("ApiDeployment")]
    return str(name)


def test_changed_api_really_redeploys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment is a snapshot: only another logical id makes a new one (docs/aws.md, "A deployment is a
    snapshot")."""
    before = deployment_of(regional_template(SETTINGS))
    assert deployment_of(regional_template(SETTINGS)) == before
    monkeypatch.setitem(api.PAYMENT, "required", ["transaction", "more"])
    assert deployment_of(regional_template(SETTINGS)) != before


SHOP, MARKET = "arn:aws:iam::111122223333:role/a/shop", "arn:aws:iam::444455556666:root"
OPERATOR = "arn:aws:iam::111122223333:role/Ops"


def with_merchants(*arns: str) -> Settings:
    return SETTINGS._replace(merchants={"shop": arns, "later": ()}, accounts=Accounts(operators=(OPERATOR,)))


def test_without_merchants_there_is_no_resource_policy(stack: Resolved) -> None:
    (rest_api,) = stack.of_type("AWS::ApiGateway::RestApi").values()
    assert "Policy" not in rest_api


def test_with_merchants_they_and_operators_are_let_in_and_nobody_else() -> None:
    policy = regional_template(with_merchants(SHOP, MARKET)).resources["Api"].properties["Policy"]
    health, roles, accounts, deny = policy["Statement"]
    assert health == {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "execute-api:Invoke",
        "Resource": ["execute-api:/prod/GET/health"],
    }
    callers = {"aws:PrincipalArn": [OPERATOR, SHOP], "aws:PrincipalAccount": ["444455556666"]}
    assert roles["Condition"] == {"StringEquals": {"aws:PrincipalArn": [OPERATOR, SHOP]}}
    assert accounts["Condition"] == {"StringEquals": {"aws:PrincipalAccount": ["444455556666"]}}
    assert (deny["Effect"], deny["Condition"]) == ("Deny", {"StringNotEquals": callers})
    payments = ["execute-api:/prod/POST/payments", "execute-api:/prod/GET/payments/*"]
    assert [each["Resource"] for each in (roles, accounts, deny)] == [payments] * 3
    nobody = regional_template(SETTINGS._replace(merchants={"later": ()})).resources["Api"].properties["Policy"]
    assert [(each["Effect"], "Condition" in each) for each in nobody["Statement"]] == [
        ("Allow", False),
        ("Deny", False),
    ]


def test_another_caller_makes_another_deployment() -> None:
    """An API keeps to the policy of its last deployment."""
    names = {deployment_of(regional_template(with_merchants(*arns))) for arns in ((), (SHOP,), (SHOP, MARKET))}
    assert len(names | {deployment_of(regional_template(SETTINGS))}) == 4


def test_health_checks_leave_no_traces(stack: Resolved) -> None:
    """The stage is not traced, so nothing asks the health function to trace a request."""
    modes = {name: each["TracingConfig"]["Mode"] for name, each in stack.of_type("AWS::Lambda::Function").items()}
    traced, untraced = ("Processor", "Janitor"), ("Health", "Outcomes", "Check")
    assert modes == dict.fromkeys(traced, "Active") | dict.fromkeys(untraced, "PassThrough")
