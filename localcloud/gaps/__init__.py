"""Fill every gap of the emulator, in the one order that works."""

import asyncio

from localcloud import bucket_replication, deliveries, template_conditions, template_properties
from localcloud import cloud as metrics
from localcloud.gaps import apigateway as api_gateway
from localcloud.gaps import cloudformation as replacements
from localcloud.gaps import cloudwatch as alarms
from localcloud.gaps import dynamodb as global_tables
from localcloud.gaps import eventbridge as event_buses
from localcloud.gaps import iam as transport
from localcloud.gaps import lambda_ as functions
from localcloud.gaps import s3 as buckets
from localcloud.gaps import sns as notifications
from localcloud.gaps import stepfunctions as workflows
from localcloud.stacksets import api as stacksets_api


def fill() -> None:
    """Wrap the emulator. Called once, before it serves."""
    for module in (
        transport,
        bucket_replication,
        template_conditions,
        template_properties,
        replacements,
        stacksets_api,
        buckets,
        global_tables,
        event_buses,
        notifications,
        alarms,
        functions,
        metrics,
        api_gateway,
        workflows,
    ):
        module.install()


def start(loop: asyncio.AbstractEventLoop) -> None:
    """Start what runs by itself, on the server's event loop."""
    deliveries.start(loop)
    alarms.start(loop)
