"""Resources of REST APIs: API Gateway V1's operations of that name."""

from __future__ import annotations

import re

from labhelpers import limits
from labhelpers.cloud.gateway_rest_call import (
    RestCall,
    bad_request,
    check_patches,
    conflict,
    not_found,
)
from labhelpers.cloud.gateway_rest_methods import show_method
from labhelpers.errors import AwsError
from labhelpers.gateway.rest.store import Record, RestApi

_PATH_PART = re.compile(r"\{?[A-Za-z0-9._\-:]+\+?\}?")
_VARIABLE = re.compile(r"\{[A-Za-z0-9._\-:]+\+?\}")


def show_resource(resource: Record, *, with_methods: bool = False) -> Record:
    """A resource as AWS answers it: its methods by name, whole when they are embedded."""
    shown = {name: value for name, value in resource.items() if name != "resourceMethods"}
    if methods := resource.get("resourceMethods"):
        shown["resourceMethods"] = {
            name: show_method(method) if with_methods else {} for name, method in methods.items()
        }
    return shown


def get_resources(call: RestCall) -> Record:
    """GetResources: by path."""
    embed = "methods" in call.queries.get("embed", ())
    resources = sorted(call.api.resources.values(), key=lambda each: str(each["path"]))
    return call.page([show_resource(each, with_methods=embed) for each in resources])


def get_resource(call: RestCall) -> Record:
    """GetResource."""
    return show_resource(call.resource, with_methods="methods" in call.queries.get("embed", ()))


def create_resource(call: RestCall) -> Record:
    """CreateResource."""
    made = new_resource(call.api, call.resource, str(call.body.get("pathPart") or ""))
    call.changed()
    return show_resource(made)


def new_resource(api: RestApi, parent: Record, part: str) -> Record:
    """A resource below another. BadRequestException, ConflictException, LimitExceededException."""
    _check_path_part(part)
    _check_place(api, parent, part)
    if len(api.resources) >= limits.REST_API_RESOURCES_MAX:
        message = (
            "Maximum number of resources for this API has been reached. Please contact AWS if you need additional "
            "resources."
        )
        raise AwsError("LimitExceededException", message, 429)
    return api.add_resource(parent["id"], part)


def _check_path_part(part: str) -> None:
    braces = part.count("{") + part.count("}")
    if (
        not _PATH_PART.fullmatch(part)
        or (braces and not _VARIABLE.fullmatch(part))
        or ("+" in part and not braces)
    ):
        raise bad_request(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the "
            "beginning and the end."
        )


def _check_place(api: RestApi, parent: Record, part: str, moved_id: str = "") -> None:
    """Whether a resource may be where it shall be. ConflictException, BadRequestException."""
    parent_part = str(parent.get("pathPart") or "")
    if parent_part.endswith("+}"):
        raise bad_request(f"Cannot create a child of a resource with a greedy path variable: {parent_part}")
    siblings = [each["pathPart"] for each in api.children(parent["id"]) if each["id"] != moved_id]
    if part in siblings:
        raise conflict(f"Another resource with the same parent already has this name: {part}")
    if part.startswith("{") and (other := next((each for each in siblings if each.startswith("{")), None)):
        raise bad_request(
            f"A sibling ({other}) of this resource already has a variable path part -- only one is allowed"
        )


def delete_resource(call: RestCall) -> None:
    """DeleteResource: with all below it."""
    resource, api = call.resource, call.api
    if "parentId" not in resource:
        raise bad_request("Cannot delete root resource of an API")
    for each in list(api.subtree(resource["id"])):
        del api.resources[each["id"]]
    call.changed()


def update_resource(call: RestCall) -> Record:
    """UpdateResource: a new path part, a new parent."""
    resource, api = call.resource, call.api
    patches = call.patches("UpdateResource")
    check_patches(patches, ("/parentId", "/pathPart"))
    for patch in patches:
        if "parentId" not in resource:
            raise bad_request(f"Root resource cannot update its {patch.parts[0]}.")
        if patch.path == "/pathPart":
            part = str(patch.value or "")
            _check_path_part(part)
            _check_place(api, api.resources[resource["parentId"]], part, resource["id"])
            resource["pathPart"] = part
        else:
            parent = api.resources.get(str(patch.value))
            if parent is None:
                raise not_found("Invalid Resource identifier specified")
            if any(each["id"] == parent["id"] for each in api.subtree(resource["id"])):
                raise bad_request("Resources cannot be cyclical.")
            _check_place(api, parent, resource["pathPart"], resource["id"])
            resource["parentId"] = parent["id"]
        api.set_paths(resource["id"])
    call.changed()
    return show_resource(resource)
