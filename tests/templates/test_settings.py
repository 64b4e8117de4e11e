"""What is wrong in the settings file is told with file, table, key and what is allowed."""

from pathlib import Path

import pytest

from builder.settings import Settings, SettingsError, load

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
            "unknown setting 'nonsense'; known are accounts, domain, endpoint, limits, merchants, options, processor, ",
        ),
        ("limits = 3", "[limits] must be a table"),
        ("[options]\nprotekt = true", "unknown setting options.protekt; known are protect, alert_email, log_execution"),
        ('[options]\nprotect = "yes"', 'options.protect must be "auto", true or false'),
        ("[options]\nprotect = 3", "options.protect must be str or bool, not int"),
        ('[limits]\napi_rate = "fast"', "limits.api_rate must be int, not str"),
        ("[limits]\napi_rate = true", "limits.api_rate must be int, not bool"),
        ("[limits]\nlog_retention_days = 8", "limits.log_retention_days must be one of 1, 3, 5, 7, 14, 30,"),
        ("[limits]\njanitor_concurrency = 0", "limits.janitor_concurrency must be 1 to 64"),
        ("[limits]\njanitor_concurrency = 65", "limits.janitor_concurrency must be 1 to 64"),
        ("[limits]\nindex_shards = 15", "limits.index_shards must be 16 to 64"),
        ("[limits]\nindex_shards = 65", "limits.index_shards must be 16 to 64"),
        ("[limits]\nreserved_concurrency = -1", "limits.reserved_concurrency must be 0 (unreserved) or more"),
        ('[domain]\ncertificate_arns = "x"', "domain.certificate_arns must be list, not str"),
        ('[domain]\nname = "pay.example.com"', "domain.name and domain.hosted_zone_id go together"),
        ("[tags]\nteam = 1", "tags.team must be str, not int"),
        ('[tags]\nCostCenter = "x"', "tags.CostCenter is set by the templates; choose another key"),
        ('[processor]\nurl = "http://example.com"', "processor.url must begin with https://"),
        ("merchants = 1", "[merchants] must be a table"),
        ("[merchants]\nShop = []", "merchants.Shop: use 1 to 32 of a-z, 0-9 and -, a letter first, at most 4 digits"),
        ("[merchants]\nm41111 = []", "merchants.m41111: use 1 to 32 of a-z, 0-9 and -, a letter first, at most 4"),
        ("[merchants]\nshop = 1", "merchants.shop must be list, not int"),
        ("[merchants]\nshop = [1]", "merchants.shop: 1 is not the ARN of a role, or of an account (...:root)"),
        ('[merchants]\nshop = ["*"]', "merchants.shop: '*' is not the ARN of a role, or of an account (...:root)"),
        (
            '[merchants]\nshop = ["arn:aws:iam::111122223333:role/*"]',
            "merchants.shop: 'arn:aws:iam::111122223333:role/*' is",
        ),
        ('[accounts]\noperators = ["me"]', "accounts.operators: 'me' is not the ARN of a role, or of an account"),
        (
            f'[merchants]\nshop = ["{ROLE}"]\nmarket = ["{ROLE.replace("/a/", "/b/")}"]',
            f"merchants.market: {ROLE.replace('/a/', '/b/')} may not belong to another caller too",
        ),
        (
            f'[accounts]\noperators = ["{ROLE}"]\n[merchants]\nshop = ["{ROLE}"]',
            f"accounts.operators: {ROLE} may not belong to another caller too",
        ),
    ],
)
def test_message_names_file_key_and_what_is_allowed(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(tmp_path, REGIONS + text)
    assert str(refused.value).startswith(f"{tmp_path / 'deployment.toml'}: {message}")


@pytest.mark.parametrize(
    "regions", ["", 'regions = ["us-east-1"]', 'regions = ["us-east-1", "us-east-1", "eu-west-1"]']
)
def test_regions_are_three(tmp_path: Path, regions: str) -> None:
    with pytest.raises(SettingsError, match="regions must list three different Regions, home first"):
        loaded(tmp_path, regions)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"ENVIRONMENT_SUFFIX": "Prod"}, "ENVIRONMENT_SUFFIX='Prod': use 1 to 16 of a-z, 0-9 and -, a letter first"),
        ({"AWS_REGION": "us-west-2"}, "AWS_REGION='us-west-2' is not among the Regions of "),
    ],
)
def test_environment_variables_are_checked(tmp_path: Path, environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(tmp_path, REGIONS, **environ)
    assert str(refused.value).startswith(message)
