"""Fill every gap of the emulator, in the one order that works."""

import asyncio

from localcloud import (
    alarms,
    api_gateway,
    bucket_replication,
    buckets,
    deliveries,
    event_buses,
    functions,
    global_tables,
    metrics,
    notifications,
    replacements,
    stacksets_api,
    template_conditions,
    template_properties,
    transport,
    workflows,
)


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
