"""The pinned emulator: its settings, and a check that it still has every part that this package wraps."""

import importlib
import importlib.metadata
import os
from pathlib import Path
from typing import Final

VERSION: Final = "1.5.33"
ACCOUNT: Final = "000000000000"

# What localcloud calls, wraps or replaces. A new emulator version that renames one of these must be looked at first.
WRAPPED: Final = {
    "ministack.app": ("app", "_enforce_execute_api", "_handle_execute_api_request", "_parse_execute_api_url"),
    "ministack.core.arn": ("ArnParseError", "parse_arn"),
    "ministack.core.iam_evaluator": ("AuthError", "_request_origin"),
    "ministack.core.lambda_runtime": (
        "Worker",
        "_PYTHON_WORKER_SCRIPT",
        "_lock",
        "_workers",
        "execution_credentials",
        "kill_workers",
        "reset",
    ),
    "ministack.core.responses": ("get_account_id", "get_region", "get_request_client_ip", "request_scope"),
    "ministack.services.apigateway_v1": (
        *("_AUTHENTICATION_GATEWAY_ERRORS", "_GatewayError", "_execute_in_scope", "_gateway_error_response"),
        *("_lambda_proxy_response", "_request_validators", "_resources", "_rest_apis", "_stages_v1"),
        *("authentication_error_response", "find_api_scope", "stages_for_api"),
    ),
    "ministack.services.cloudformation.changesets": ("_resolve_props_for_diff",),
    "ministack.services.cloudformation.engine": ("_evaluate_conditions", "_parse_template"),
    "ministack.services.cloudformation.handlers": ("_ACTION_HANDLERS", "_check_capabilities"),
    "ministack.services.cloudformation.helpers": ("_resolve_document", "_resolve_template"),
    "ministack.services.cloudformation.provisioners": (
        *("_REPLACING_PROPERTIES", "_RESOURCE_HANDLERS", "_cw_metric_alarm_record"),
    ),
    "ministack.services.cloudwatch": (
        *(
            "_alarms",
            "_calc_stats",
            "_dims_from_list",
            "_dims_key",
            "_dispatch_alarm_actions",
            "_metrics",
            "_metric_bucket",
        ),
        *("_evaluate_all_alarms", "_evaluate_parent_alarms", "_record_history", "_stat_value"),
    ),
    "ministack.services.cloudwatch_logs": ("_create_log_stream", "_log_groups", "_put_log_events"),
    "ministack.services.dynamodb": (
        *("_replicate_write", "_tables", "_tags", "_update_continuous_backups", "_update_table"),
    ),
    "ministack.services.eventbridge": (
        *("_dispatch_event", "_ensure_default_bus", "_event_buses", "_invoke_target", "_pattern_event_view"),
    ),
    "ministack.services.iam": ("_roles",),
    "ministack.services.lambda_svc": (
        *("_emit_lambda_metrics", "_execute_function_dispatch", "_functions", "_get_func_record_for_ref"),
    ),
    "ministack.services.s3": (
        *("_bucket_owner_account", "_bucket_replication", "_bucket_versioning", "_buckets", "_delete_bucket", "_error"),
        *("_maybe_replicate", "_object_versions", "_put_bucket_replication", "_replication_destination_region"),
        *("_replication_rule_for", "_replication_rule_prefix", "_replication_rule_tags"),
    ),
    "ministack.services.sns": ("_deliver_to_sqs",),
    "ministack.services.sqs": ("_act_send_message", "_queue_by_arn", "_queues", "queue_policy_allows"),
    "ministack.services.stepfunctions": (
        *(
            "_add_event",
            "_emit_execution_status_event",
            "_execute_choice",
            "_execute_map",
            "_execute_parallel",
            "_execute_pass",
        ),
        *("_execute_task", "_execute_wait", "_executions", "_resolve_state_machine_arn", "_state_machines"),
    ),
}


class WrongEmulatorError(RuntimeError):
    """The installed emulator is not the one that this package was made for."""


def configure(port: int, folder: Path) -> None:
    """Set the emulator's environment; it reads most of it when it is imported, so this comes first.

    Everything that it writes goes under `folder`: nothing is shared with other servers or left over from them.
    """
    temporary = folder / "tmp"
    os.environ.update(
        AUTH="true",
        GATEWAY_PORT=str(port),
        MINISTACK_HOST="127.0.0.1",
        MINISTACK_REGION="us-east-1",
        MINISTACK_ACCOUNT_ID=ACCOUNT,
        TMPDIR=str(temporary),
        S3_DATA_DIR=str(temporary / "s3"),
        STATE_DIR=str(temporary / "state"),
        PERSIST_STATE="0",
        S3_PERSIST="0",
        SFTP_ENABLED="0",
        IOT_MTLS_ENABLED="0",
        LAMBDA_EXECUTOR="local",
        DOCKER_HOST=f"unix://{temporary}/no-docker.sock",  # never look for containers
        LOG_LEVEL=os.environ.get("LOCALCLOUD_LOG_LEVEL", "WARNING"),
    )
    # The caller's AWS settings would become those of every function and change who is root.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]


def check() -> None:
    """Raise WrongEmulatorError, naming the version expected, if a wrapped name is missing."""
    for module_name, names in WRAPPED.items():
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError:
            raise missing(module_name) from None
        for name in names:
            if not hasattr(module, name):
                raise missing(f"{module_name}.{name}")


def missing(what: str) -> WrongEmulatorError:
    """The error of an emulator that lacks what this package wraps."""
    installed = importlib.metadata.version("ministack")
    return WrongEmulatorError(
        f"the local cloud needs ministack {VERSION}; {installed} is installed and has no {what} (run `make setup`)"
    )
