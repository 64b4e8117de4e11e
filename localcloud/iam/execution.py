"""CloudFormation acts for a resource with the rights of the role that it was given: the execution role of a StackSet.

Each operation on a resource is what the type's handler does by its schema (`handlers.json`), on the resource's ARN. A
stack without such a role acts with the rights of whoever asked for it.
"""

import contextvars
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Final

from ministack.core.responses import get_account_id, get_region
from ministack.services.cloudformation import custom_resource, drift, provisioners

from localcloud.gaps import patching
from localcloud.iam import documents
from localcloud.iam.optional import NEVER, NOT_THEN, OPTIONAL, UNNAMED
from localcloud.iam.resources import NO_TYPE, Resource, passed_roles, target
from localcloud.iam.rights import TOUCHES, DeniedError, Rights, encryption_context

Properties = dict[str, Any]
HANDLERS: Final[Mapping[str, Mapping[str, str]]] = json.loads(Path(__file__).with_name("handlers.json").read_text())
KEY: Final = "AWS::KMS::Key"
CALL: Final = "lambda:InvokeFunction"
# The role that acts for the stack operation under way, and its session; "" is whoever asked for it.
acting: contextvars.ContextVar[tuple[str, str]] = contextvars.ContextVar("acting", default=("", ""))


def creator(account: str) -> str:
    """Who makes a stack's resources: the execution role, else the account's root."""
    return acting.get()[0] or f"arn:aws:iam::{account}:root"


def install(rights: Rights) -> None:
    """Check every resource operation; called after the gaps, so that it comes before what they do."""
    guard = Guard(rights)
    patching.wrap(custom_resource, "invoke_custom_resource", guard.invoke)
    for kind in HANDLERS:
        handlers = provisioners._RESOURCE_HANDLERS.get(kind)
        if handlers:
            handlers.update(guard.wrap(kind, handlers))
    for kind in HANDLERS:
        # The emulator detects drift of some types only, AWS of all these: there the others exist, for what is known.
        reader = drift._DRIFT_READERS.get(kind, (lambda _physical_id, properties: properties, frozenset()))
        drift._DRIFT_READERS[kind] = guard.wrap_reader(kind, reader)


@dataclass(frozen=True)
class Guard:
    """Asks for the rights of each operation before it is carried out."""

    rights: Rights

    def wrap(self, kind: str, handlers: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
        create, delete = handlers["create"], handlers["delete"]

        @wraps(create)
        def check_and_create(logical_id: str, properties: Properties, *more: Any) -> Any:
            self.check(kind, "create", "", properties)
            created = create(logical_id, properties, *more)
            if kind == KEY:  # only now it has a policy, which decides what else is done to it
                try:
                    self.check(kind, "create", created[0], properties)
                except ValueError:
                    delete(created[0], properties)
                    raise
            return created

        @wraps(delete)
        def check_and_delete(physical_id: str, properties: Properties, *more: Any) -> Any:
            self.check(kind, "delete", physical_id, properties)
            return delete(physical_id, properties, *more)

        wrapped: dict[str, Callable[..., Any]] = {"create": check_and_create, "delete": check_and_delete}
        if update := handlers.get("update"):

            @wraps(update)
            def check_and_update(physical_id: str, old: Properties, new: Properties, *more: Any) -> Any:
                self.check(kind, "update", physical_id, new, old)
                return update(physical_id, old, new, *more)

            wrapped["update"] = check_and_update
        return wrapped

    def invoke(
        self, invoke: Any, request: str, logical_id: str, properties: Properties, *more: Any, **named: Any
    ) -> Any:
        """A custom resource's function is called with the rights of the acting role."""
        role, session = acting.get()
        function = str(properties.get("ServiceToken", ""))
        if role:
            try:
                self.rights.require(role, CALL, function, by=f"a custom resource: {request}", session=session)
            except DeniedError as error:
                raise ValueError(f"Access denied for operation '{CALL}': {error.message}") from None
        return invoke(request, logical_id, properties, *more, **named)

    def wrap_reader(self, kind: str, reader: Any) -> Any:
        read, known = reader

        @wraps(read)
        def check_and_read(physical_id: str, properties: Properties) -> Any:
            self.check(kind, "read", physical_id, properties)
            return read(physical_id, properties)

        return check_and_read, known

    def check(
        self, kind: str, operation: str, physical_id: str, new: Properties, old: Properties | None = None
    ) -> None:
        """Raise ValueError, as a handler fails, unless the acting role may do all that the handler does."""
        role, session = acting.get()
        if not role:
            return
        resource = Resource(kind, physical_id, new, old or {}, get_account_id(), get_region())
        try:
            for action in actions(kind, operation, new, old or {}):
                for arn, context in self.asked(action, operation, resource):
                    self.rights.require(role, action, arn, context, by=f"{kind} {operation}", session=session)
                    if action in TOUCHES:
                        self.rights.require_key_of(role, arn, action=action, by=f"{kind} {operation}", session=session)
        except DeniedError as error:
            raise ValueError(
                f'Resource handler returned message: "{error.message}" (HandlerErrorCode: AccessDenied)'
            ) from None

    def asked(self, action: str, operation: str, resource: Resource) -> Iterable[tuple[str, dict[str, Any]]]:
        """The resources, each with its context, that IAM is asked about for one action of a handler."""
        if action == "iam:PassRole":
            return passed_roles(resource)
        if action.startswith("kms:") and action not in NO_TYPE and not resource.kind.startswith("AWS::KMS::"):
            key = documents.key_arn(resource.key, resource.region, resource.account)
            service = resource.kind.split("::")[1].lower().replace("stepfunctions", "states")
            arn = str(resource.new.get("SourceArn") or target("own", resource))  # of an archive, its bus counts
            via = {"kms:ViaService": f"{service}.{resource.region}.amazonaws.com"}
            return [(key, documents.key_context(key) | via | encryption_context(service, arn))] if key else []
        return resource.asked(action, operation)


def actions(kind: str, operation: str, new: Properties, old: Properties) -> list[str]:
    """What the handler of a type does for these properties."""
    unused = {
        action
        for name, only in OPTIONAL.get(kind, {}).items()
        if name not in new and name not in old
        for action in only
    }
    unused |= NEVER | NOT_THEN.get((kind, operation), set()) | _unused_of_boundary(new, old)
    named = HANDLERS[kind][operation].split() + UNNAMED.get((kind, operation), [])
    return [action for action in named if action not in unused]


def _unused_of_boundary(new: Properties, old: Properties) -> set[str]:
    """A boundary is put where it changes, and taken off where the template names none any more."""
    changed = new.get("PermissionsBoundary") != old.get("PermissionsBoundary")
    put, taken = "iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary"
    return {taken} if changed and new.get("PermissionsBoundary") else {put} if changed else {put, taken}
