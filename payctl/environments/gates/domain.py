"""What of a custom domain would make a deployment wait or fail: its certificates and its hosted zone. Read only."""

from payctl.environment import Environment, Survey
from payctl.environments.gates.check import Check, Checks
from stacksets.errors import ToolError


def certificate(environment: Environment, _survey: Survey, region: str) -> Checks:
    """An existing certificate of the domain must be issued."""
    arns = environment.settings.domain.certificate_arns
    if not arns:
        return
    arn = arns[environment.regions.index(region)]
    acm = environment.cloud.target_client("acm", region)
    described = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    detail = f"{described.get('DomainName', arn)} is {described['Status']}"
    remedy = "wait until it is issued, or correct domain.certificate_arns"
    yield Check("certificate", region, described["Status"] == "ISSUED", detail, remedy)


def zone(environment: Environment, _survey: Survey, region: str) -> Checks:
    """The hosted zone must hold the domain's name, and the internet must see it: ACM looks there for its record, and a
    stack waits for that for up to 36 hours (docs/aws.md, "Certificates wait for DNS")."""
    domain = environment.settings.domain
    if not domain.name:
        return
    route53 = environment.cloud.target_client("route53", region)
    answer = route53.get_hosted_zone(Id=domain.hosted_zone_id)
    name = str(answer["HostedZone"]["Name"]).rstrip(".")
    holds = domain.name == name or domain.name.endswith(f".{name}")
    yield Check("zone", "Route 53", holds, f"{name} for {domain.name}", "correct domain.name or domain.hosted_zone_id")
    if answer["HostedZone"].get("Config", {}).get("PrivateZone"):
        remedy = "name a public hosted zone in domain.hosted_zone_id"
        yield Check("zone", "Route 53", False, f"{name} is private: no certificate is issued for it", remedy)
        return
    own = {server.rstrip(".").lower() for server in answer["DelegationSet"]["NameServers"]}
    try:
        public = environment.cloud.name_servers(name)
    except ToolError as error:
        yield Check("delegation", "DNS", None, error.message)
        return
    told = f"the internet asks {', '.join(sorted(public)) or 'nobody'} for {name}"
    remedy = f"enter {', '.join(sorted(own))} as its name servers in the parent zone or at the registrar"
    yield Check("delegation", "DNS", bool(public) and public <= own, told, remedy)
