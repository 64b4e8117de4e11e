"""The replacements that a change set shows, against the resource types' public schemas."""

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from localcloud.gaps.cloudformation import REPLACING


@pytest.mark.parametrize("kind", REPLACING)
def test_replacing_properties_are_the_schemas_create_only_properties(kind: str) -> None:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    listed = {pointer.removeprefix("/properties/") for pointer in schema.get("createOnlyProperties", [])}
    assert set(REPLACING[kind]) == listed
