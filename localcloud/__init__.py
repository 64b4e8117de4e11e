"""Three AWS Regions on this machine: the pinned emulator, what it lacks, faults, and a sandbox payment processor.

For tests and programs::

    with localcloud.running() as cloud:
        boto3.client("sqs", region_name="eu-west-1", endpoint_url=cloud.endpoint, **localcloud.ROOT)

The modules that import the emulator (`application`, `cloud`, `gaps` and `stacksets`) run in the server process only.
"""

from localcloud.client import ROOT, LocalCloud, api_url, running

__all__ = ["ROOT", "LocalCloud", "api_url", "running"]
