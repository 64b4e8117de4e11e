"""What is wrong in the settings file is told with file, table, key and what is allowed."""

import json
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from builder import allowed
from builder.allowed import RANGES, SettingsError
from builder.emit import emit
from builder.lint.templates import Source, lint
from builder.settings import TABLES, Alarms, Functions, Janitor, Settings, load
from tests.templates.conftest import ROOT

REGIONS = 'regions = ["us-east-1", "eu-west-1", "ap-southeast-1"]\n'


ROLE = "arn:aws:iam::111122223333:role/a/pays"


def loaded(folder: Path, text: str, **environ: str) -> Settings:
    file = folder / "deployment.toml"
    file.write_text(text)
    return load(file, environ)


def test_empty_tables_have_their_defaults(tmp_path: Path) -> None:
    settings = loaded(tmp_path, REGIONS)
    assert (settings.environment, settings.home, settings.limits.api_rate) == ("dev", "us-east-1", 200)
    assert settings == loaded(tmp_path, REGIONS + "[accounts]\n[tags]\n[limits]\n[options]\n[processor]\n[domain]\n")


def test_environment_and_home_come_from_outside(tmp_path: Path) -> None:
    settings = loaded(tmp_path, REGIONS, ENVIRONMENT_SUFFIX="prod-eu", AWS_REGION="eu-west-1")
    assert (settings.environment, settings.home, settings.protect) == ("prod-eu", "eu-west-1", True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "nonsense = 1",
            "unknown setting 'nonsense'; known are accounts, alarms, domain, endpoint, functions, janitor, limits, ",
        ),
        ("limits = 3", "[limits] must be a table"),
        ("[options]\nprotekt = true", "unknown setting options.protekt; known are protect, alert_email, log_execution"),
        ('[options]\nprotect = "yes"', 'options.protect must be "auto", true or false'),
        ("[options]\nprotect = 3", "options.protect must be str or bool, not int"),
        ('[limits]\napi_rate = "fast"', "limits.api_rate must be int, not str"),
        ("[limits]\napi_rate = true", "limits.api_rate must be int, not bool"),
        ("[limits]\nlog_retention_days = 8", "limits.log_retention_days must be one of 1, 3, 5, 7, 14, 30,"),
        ("[limits]\njanitor_concurrency = 0", "limits.janitor_concurrency must be 1 to 64, not 0"),
        ("[limits]\njanitor_concurrency = 65", "limits.janitor_concurrency must be 1 to 64, not 65"),
        ("[limits]\nindex_shards = 15", "limits.index_shards must be 16 to 64, not 15"),
        ("[limits]\nindex_shards = 65", "limits.index_shards must be 16 to 64, not 65"),
        ("[limits]\nregister_writes = 40001", "limits.register_writes must be 0 to 40000, not 40001"),
        ("[limits]\nreserved_concurrency = -1", "limits.reserved_concurrency must be 0 to 100000, not -1"),
        ("[functions]\nprocessor_memory = 64", "functions.processor_memory must be 128 to 10240, not 64"),
        ("[alarms]\nlambda_error_percent = 100.5", "alarms.lambda_error_percent must be 0 to 100, not 100.5"),
        ('[alarms]\nlambda_error_percent = "1"', "alarms.lambda_error_percent must be float or int, not str"),
        ("[alarms]\nlambda_error_percent = nan", "alarms.lambda_error_percent must be 0 to 100, not nan"),
        (
            "[janitor]\nevery_minutes = 2",
            "alarms.janitor_silent_minutes must be three times janitor.every_minutes or more",
        ),
        ('[domain]\ncertificate_arns = "x"', "domain.certificate_arns must be list, not str"),
        ('[domain]\nname = "pay.example.com"', "domain.name and domain.hosted_zone_id go together"),
        *(
            (f'[domain]\nname = "{name}"\nhosted_zone_id = "Z1"', "domain.name must be a domain name in small letters")
            for name in (
                "Pay.example.com",
                "pay.example.com.",
                "pay",
                "pay_.example.com",
                "*.example.com",
                "-a.example.com",
            )
        ),
        (
            f'[domain]\nname = "{"p" * 53}.example.com"\nhosted_zone_id = "Z1"',
            "domain.name must have at most 64 characters, or domain.certificate_arns certificates",
        ),
        (
            '[domain]\nname = "pay.example.com"\nhosted_zone_id = "/hostedzone/Z1"',
            "domain.hosted_zone_id must be the id alone, such as Z0123456789ABCDEFGHIJ",
        ),
        (
            '[domain]\nname = "pay.example.com"\nhosted_zone_id = "Z1"\n[tags]\n'
            + "".join(f'tag-{number} = "x"\n' for number in range(5)),
            "[tags] has 5, with domain.name at most 4 fit",
        ),
        ('[tags]\nteam = ""', "tags.team: use 1 to 128 characters"),
        ("[tags]\nteam = 1", "tags.team must be str, not int"),
        ('[tags]\nCostCenter = "x"', "tags.CostCenter is set by the templates, or twice; choose another key"),
        ('[tags]\napplication = "x"', "tags.application is set by the templates, or twice; choose another key"),
        ('[tags]\nteam = "x"\nTeam = "y"', "tags.Team is set by the templates, or twice; choose another key"),
        ('[tags]\n"aws:team" = "x"', "tags.aws:team: use 1 to 128 characters, not aws: first"),
        ('[tags]\n"" = "x"', "tags.: use 1 to 128 characters"),
        ('[tags]\nteam = "a;b"', "tags.team: use 1 to 128 characters"),
        (f'[tags]\nteam = "{"x" * 257}"', "tags.team: use 1 to 128 characters"),
        ("[tags]\n" + "".join(f'tag-{number} = "x"\n' for number in range(41)), "[tags] has 41, at most 40 fit"),
        ('[processor]\nsecret_name = "a b"', "processor.secret_name: use at most 200 letters"),
        *(
            (
                f"[processor]\nurl = {json.dumps(url)}",
                "processor.url must be https://HOST[:PORT][/PATH], of at most 255",
            )
            for url in (
                "http://example.com",
                "https://",
                "https://example.com:44e",
                "https://example.com:65536",
                "https://example.com:0",
                "http://127.0.0.1:0",
                "https://api..example.com",
                "https://-.example.com",
                f"https://{'a' * 64}.example.com",
                "https://example.com/a b",
                "https://example.com/\n",
                "https://me:secret@example.com",
                "https://example.com/v1?tenant=eu",
                "https://example.com/v1#live",
                "https://example.com//v1",
                f"https://example.com/{'x' * 255}",
            )
        ),
        (
            '[processor]\nkind = "cash"\nurl = "https://example.com"',
            "processor.kind must be one of http, stripe",
        ),
        ('[processor]\nkind = "stripe"', "processor.kind needs processor.url"),
        (
            '[processor]\nkind = "stripe"\nurl = "https://example.com"\nkey_lifetime_hours = 25',
            "processor.key_lifetime_hours must be at most 24: Stripe keeps a key no longer",
        ),
        ("merchants = 1", "[merchants] must be a table"),
        ("[merchants]\nShop = []", "merchants.Shop: use 1 to 32 of a-z, 0-9 and -, a letter first, at most 4 digits"),
        ("[merchants]\nm41111 = []", "merchants.m41111: use 1 to 32 of a-z, 0-9 and -, a letter first, at most 4"),
        ("[merchants]\nshop = 1", "merchants.shop must be list, not int"),
        ("[merchants]\nshop = [1]", "merchants.shop: 1 is not the ARN of a role"),
        ('[merchants]\nshop = ["*"]', "merchants.shop: '*' is not the ARN of a role"),
        (
            '[merchants]\nshop = ["arn:aws:iam::111122223333:role/*"]',
            "merchants.shop: 'arn:aws:iam::111122223333:role/*' is",
        ),
        (
            '[merchants]\nshop = ["arn:aws:iam::111122223333:role/a,b"]',
            "merchants.shop: 'arn:aws:iam::111122223333:role/a,b' is not the ARN of a role without a comma in its name",
        ),
        ('[merchants]\nshop = ["arn:aws:iam::111122223333:role/a/"]', "merchants.shop: "),
        ('[accounts]\noperators = ["me"]', "accounts.operators: 'me' is not the ARN of a role"),
        (
            f'[merchants]\nshop = ["{ROLE}"]\nmarket = ["{ROLE.replace("/a/", "/b/")}"]',
            f"merchants.market: {ROLE.replace('/a/', '/b/')} may not belong to another caller too",
        ),
        (
            f'[accounts]\noperators = ["{ROLE}"]\n[merchants]\nshop = ["{ROLE}"]',
            f"accounts.operators: {ROLE} may not belong to another caller too",
        ),
        (
            '[accounts]\noperators = ["arn:aws-us-gov:iam::111122223333:root"]\n'
            '[merchants]\nshop = ["arn:aws:iam::111122223333:root"]',
            "accounts.operators: arn:aws-us-gov:iam::111122223333:root may not belong to another caller too",
        ),
    ],
)
def test_message_names_file_key_and_what_is_allowed(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(tmp_path, REGIONS + text)
    assert str(refused.value).startswith(f"{tmp_path / 'deployment.toml'}: {message}")


NUMBERS = {
    f"{table}.{key}": value
    for table, kind in TABLES.items()
    for key, value in kind._field_defaults.items()
    if type(value) in (int, float) and key != "log_retention_days"
}


def test_every_number_has_a_range() -> None:
    assert NUMBERS.keys() == RANGES.keys()
    assert all(RANGES[name][0] <= value <= RANGES[name][1] for name, value in NUMBERS.items())


@pytest.mark.parametrize("name", NUMBERS)
def test_number_out_of_its_range_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    table, key = name.split(".")
    least, most = RANGES[name]
    for value in (least - 1, most + 1):
        with pytest.raises(SettingsError) as refused:
            loaded(tmp_path, REGIONS + f"[{table}]\n{key} = {value}")
        assert str(refused.value) == f"{tmp_path / 'deployment.toml'}: {name} must be {least} to {most}, not {value}"


def test_what_the_templates_are_made_with() -> None:
    """Without a setting, what they always were; with others, these, and nothing that the lint objects to."""
    settings = load(ROOT / "deployment.toml", {})
    assert emit(settings)["regional.json"] == (ROOT / "templates" / "regional.json").read_text()
    other = settings._replace(
        functions=Functions(512, 300, 128, 5, 2048),
        janitor=Janitor(every_minutes=3, at_once=8),
        alarms=Alarms(2.5, 600, 12, 3, 7, 45, 1000, 50),
    )
    templates = {name: json.loads(text) for name, text in emit(other).items()}
    assert not lint(
        *(Source(name, templates[f"{name}.json"]) for name in ("regional", "global")), regions=other.regions
    )
    resources = {name: each.get("Properties", {}) for name, each in templates["regional.json"]["Resources"].items()}
    found = [(resources[name]["MemorySize"], resources[name]["Timeout"]) for name in ("Processor", "Health", "Janitor")]
    assert found == [(512, 300), (128, 5), (2048, 55)]
    assert resources["Janitor"]["Environment"]["Variables"]["JANITOR_AT_ONCE"] == "8"
    assert resources["JanitorSchedule"]["ScheduleExpression"] == "rate(3 minutes)"
    keys = ("Threshold", "Period", "EvaluationPeriods", "AlarmDescription")
    alarms = {
        name: tuple(map(resources[f"{name}Alarm"].get, keys))
        for name in (
            "LambdaErrors",
            "PaymentsOverdue",
            "JanitorSilent",
            "DeadLetters",
            "PaymentsParked",
            "PeerUnanswered",
            "TableReplication",
            "ReceiptReplication",
            "ReceiptsPending",
        )
    }
    assert alarms == {
        "LambdaErrors": (2.5, None, 2, "More than 2.5 % of the processor's invocations fail"),
        "PaymentsOverdue": (600, 180, 3, "A payment is overdue for more than 10 minutes"),
        "JanitorSilent": (1, 180, 4, "The janitor has not run for 12 minutes"),
        "DeadLetters": (3, 300, 1, "Messages wait in the dead-letter queue: payctl redrive"),
        "PaymentsParked": (7, 180, 3, "Payments are parked: payctl parked"),
        "PeerUnanswered": (0, 180, 3, "Another Region's register does not answer"),
        "TableReplication": (45_000, None, 3, "Records reach another Region more than 45 s late"),
        "ReceiptReplication": (1000, None, 3, "Receipts arrive more than 1000 s late"),
        "ReceiptsPending": (50, None, 3, "More than 50 receipts wait to arrive"),
    }


@pytest.mark.parametrize(("given", "taken"), [({}, "64"), ({"JANITOR_AT_ONCE": "8"}, "8")])
def test_janitor_takes_as_many_payments_at_once_as_it_is_told(given: dict[str, str], taken: str) -> None:
    script = "from payments.rounds import AT_ONCE; print(AT_ONCE)"
    told = subprocess.run([sys.executable, "-c", script], env=given, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == taken == given.get("JANITOR_AT_ONCE", str(Janitor().at_once))


def test_page_tells_of_every_setting(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "docs" / "settings.py", tmp_path / "settings.md"], check=True, cwd=ROOT)
    page = (tmp_path / "settings.md").read_text()
    assert page == (ROOT / "docs" / "settings.md").read_text(), "run `make docs`"
    for name, (least, most) in RANGES.items():
        assert f"| `{name}` | `{NUMBERS[name]}` | {least:,} to {most:,} |" in page


@pytest.mark.parametrize(
    "regions", ["", 'regions = ["us-east-1"]', 'regions = ["us-east-1", "us-east-1", "eu-west-1"]']
)
def test_regions_are_three(tmp_path: Path, regions: str) -> None:
    with pytest.raises(SettingsError, match="regions must list three different Regions, home first"):
        loaded(tmp_path, regions)


@pytest.mark.parametrize("region", ["eu-south-1", "ap-east-1", "us-gov-west-1", "cn-north-1", "eu-west-9", "EU", 1])
def test_regions_that_are_not_enabled_by_default_are_refused(tmp_path: Path, region: object) -> None:
    with pytest.raises(SettingsError, match=f"{region!r} in regions is not among those that AWS enables by default"):
        loaded(tmp_path, f'regions = ["us-east-1", "eu-west-1", {json.dumps(region)}]\n')


def test_every_region_that_is_taken_is_one_of_the_partition() -> None:
    assert {*allowed.REGIONS} <= {*boto3.Session().get_available_regions("cloudformation")}


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"ENVIRONMENT_SUFFIX": ""}, "ENVIRONMENT_SUFFIX is set, and empty: unset it, or give it a value"),
        ({"AWS_REGION": ""}, "AWS_REGION is set, and empty: unset it, or give it a value"),
        ({"ENVIRONMENT_SUFFIX": "Prod"}, "ENVIRONMENT_SUFFIX='Prod': use 1 to 16 of a-z, 0-9 and -, a letter first"),
        ({"AWS_REGION": "us-west-2"}, "AWS_REGION='us-west-2' is not among the Regions of "),
    ],
)
def test_environment_variables_are_checked(tmp_path: Path, environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(tmp_path, REGIONS, **environ)
    assert str(refused.value).startswith(message)
