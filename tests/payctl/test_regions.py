"""A Region's health check is found in its stack, and asked."""

from collections.abc import Callable
from typing import Any

from payctl.regions import checkers
from tests.payctl import small
from tests.payctl.conftest import REGIONS, Project

HOME, SECOND, _ = REGIONS


def test_health_check_of_a_region_is_that_of_its_stack(project: Project, aws: Callable[[str, str], Any]) -> None:
    template = small.regional()
    check = {"Type": "HTTPS", "FullyQualifiedDomainName": {"Fn::Sub": "${AWS::Region}.example"}}
    template["Resources"]["Checked"] = {
        "Type": "AWS::Route53::HealthCheck",
        "Properties": {"HealthCheckConfig": check},
    }
    project.write(regional=template)
    project.deploy()
    environment = project.environment()
    found = checkers.health_check(environment, SECOND)
    config = aws("route53", HOME).get_health_check(HealthCheckId=found)["HealthCheck"]["HealthCheckConfig"]
    assert config["FullyQualifiedDomainName"] == f"{SECOND}.example"
    assert not checkers.ask(environment, SECOND, found).healthy, "there is nothing"


def test_there_is_none_without_a_domain(project: Project) -> None:
    project.deploy()
    assert checkers.health_check(project.environment(), SECOND) == ""
