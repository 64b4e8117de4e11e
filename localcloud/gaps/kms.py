"""KMS: the rotation of a key's material on demand, and the list of rotations (docs/aws.md, "Keys rotate on demand")."""

import json
import time
from typing import Any, Final

from ministack.core.responses import error_response_json, json_response
from ministack.services import kms

from localcloud.cloud import Cloud
from localcloud.gaps import patching

AT_MOST: Final = 25  # on-demand rotations of a key, in all its life
ROTATIONS: Final = "_localcloud_rotations"


def install(_cloud: Cloud) -> None:
    """Wrap the service's requests: the emulator knows neither action."""
    patching.wrap(kms, "handle_request", _handle)


async def _handle(handle: Any, *request: Any) -> Any:
    _method, _path, headers, body, _query = request
    action = headers.get("x-amz-target", "").rpartition(".")[2]
    if action not in ("RotateKeyOnDemand", "ListKeyRotations"):
        return await handle(*request)
    name = json.loads(body).get("KeyId", "")
    key = kms._resolve_key(name)
    if not key or name.startswith("alias/"):  # a key's id or ARN is wanted
        return error_response_json("NotFoundException", f"Key {name} not found", 400)
    made = key.setdefault(ROTATIONS, [])
    if action == "ListKeyRotations":
        return json_response({"Rotations": made, "Truncated": False})
    if key["KeyState"] != "Enabled":
        return error_response_json("KMSInvalidStateException", f"{key['Arn']} is not enabled", 400)
    if len(made) >= AT_MOST:
        return error_response_json("LimitExceededException", f"{key['Arn']} was rotated {AT_MOST} times", 400)
    made.append({"KeyId": key["KeyId"], "RotationDate": time.time(), "RotationType": "ON_DEMAND"})
    return json_response({"KeyId": key["KeyId"]})
