"""API Gateway V2 as boto3 calls it: reads requests, has `gateway.v2` do the work, words the answers.

moto has no part in it: of this API it keeps some settings, but neither deployments nor most of AWS's checks.
docs.aws.amazon.com/apigatewayv2/latest/api-reference/operations.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.errors import AwsError, NotEmulated
from labhelpers.gateway.v2.control import ApiControl
from labhelpers.gateway.v2.members import Record, bad_request, not_found
from labhelpers.routing import Router

_JSON = {"Content-Type": "application/json"}
_FAMILIES = ("authorizers", "integrations", "models", "routes", "stages")
_RESPONSES = {"routes": "routeresponses", "integrations": "integrationresponses"}
_NOT_HERE = {
    "domainnames": "custom domain names of API Gateway",
    "vpclinks": "VPC links",
    "portals": "API Gateway portals",
    "portalproducts": "API Gateway portals",
}

Variables = Mapping[str, str]


class Incoming:
    """A control call: the variables of its path, its query, and its body as JSON."""

    __slots__ = ("body", "query", "request", "variables")

    def __init__(self, request: AwsRequest, variables: Variables) -> None:
        self.request = request
        self.variables = variables
        self.query = {
            name: values[0] for name, values in parse_qs(request.query, keep_blank_values=True).items()
        }
        self.body: Record = {}
        if request.body:
            try:
                decoded = json.loads(request.body)
            except ValueError as error:
                raise AwsError("SerializationException", f"Invalid JSON: {error}") from error
            if not isinstance(decoded, dict):
                raise AwsError("SerializationException", "The body must be a JSON object")
            self.body = decoded

    def __getitem__(self, name: str) -> str:
        return self.variables[name]


Operation = Callable[[Incoming], Any]


class GatewayV2Service:
    """Answers every `apigatewayv2` call. `on_reset_cache` hears (API id, stage) of ResetAuthorizersCache."""

    def __init__(self, control: ApiControl) -> None:
        self.on_reset_cache: list[Callable[[str, str], None]] = []
        self._control = control
        self._router: Router[tuple[int, Operation]] = Router()
        self._add_apis()
        self._add_families()
        self._add_responses()
        self._add_stages()
        self._add_deployments()
        self._add_tags()

    async def handle(self, request: AwsRequest) -> AwsResponse:
        """The answer to a signed call. AwsError as API Gateway words it; NotEmulated for what the lab leaves out."""
        found = self._router.match(request.method, request.path)
        if found is None:
            family = request.path.split("/")[2:3]
            what = _NOT_HERE.get("".join(family), f"API Gateway V2 {request.method} {request.path}")
            raise NotEmulated(what)
        (status, operation), variables = found
        result = operation(Incoming(request, variables))
        if isinstance(result, bytes):
            return AwsResponse(status, _JSON, result)
        return AwsResponse(status, _JSON, json.dumps(result).encode() if result is not None else b"")

    def _add(self, method: str, template: str, status: int, operation: Operation) -> None:
        self._router.add(method, f"/v2/{template}", (status, operation))

    def _add_apis(self) -> None:
        control = self._control
        self._add("POST", "apis", 201, lambda call: control.create_api(call.body))
        self._add(
            "GET", "apis", 200, lambda call: _page(call, [a.record for a in control.store.apis.values()])
        )
        self._add("GET", "apis/{api}", 200, lambda call: control.store.get(call["api"]).record)
        self._add("PATCH", "apis/{api}", 200, lambda call: control.update_api(call["api"], call.body))
        self._add("DELETE", "apis/{api}", 204, lambda call: control.delete_api(call["api"]))
        self._add(
            "PUT", "apis", 201, lambda call: control.import_api(_document(call), **_import_options(call))
        )
        self._add(
            "PUT",
            "apis/{api}",
            201,
            lambda call: control.reimport_api(call["api"], _document(call), **_import_options(call)),
        )
        self._add("GET", "apis/{api}/exports/{specification}", 200, self._export)
        self._add("DELETE", "apis/{api}/cors", 204, lambda call: control.delete_cors(call["api"]))

    def _export(self, call: Incoming) -> bytes:
        if call["specification"] != "OAS30":
            raise bad_request("Invalid specification specified. Must be OAS30")
        return self._control.export_api(
            call["api"],
            output_type=call.query.get("outputType", ""),
            extensions=call.query.get("includeExtensions", "true").lower() != "false",
            stage=call.query.get("stageName", ""),
        )

    def _add_families(self) -> None:
        for family in _FAMILIES:
            self._add_family(family)

    def _add_family(self, family: str) -> None:
        control, many, one = self._control, f"apis/{{api}}/{family}", f"apis/{{api}}/{family}/{{id}}"
        self._add("POST", many, 201, lambda call: control.create(call["api"], family, call.body))
        self._add("GET", many, 200, lambda call: _page(call, control.all_of(call["api"], family)))
        self._add("GET", one, 200, lambda call: control.get(call["api"], family, call["id"]))
        self._add("PATCH", one, 200, lambda call: control.update(call["api"], family, call["id"], call.body))
        self._add("DELETE", one, 204, lambda call: control.delete(call["api"], family, call["id"]))

    def _add_responses(self) -> None:
        for family, word in _RESPONSES.items():
            self._add_response(family, f"apis/{{api}}/{family}/{{parent}}/{word}")

    def _add_response(self, family: str, many: str) -> None:
        control, one = self._control, f"{many}/{{id}}"

        def find(call: Incoming) -> Record:
            found = control.responses(call["api"], family, call["parent"]).get(call["id"])
            if found is None:
                raise not_found(f"Invalid response identifier specified {call['id']}")
            return found

        self._add(
            "POST",
            many,
            201,
            lambda call: control.put_response(call["api"], family, call["parent"], call.body),
        )
        self._add(
            "GET",
            many,
            200,
            lambda call: _page(call, list(control.responses(call["api"], family, call["parent"]).values())),
        )
        self._add("GET", one, 200, find)
        self._add(
            "PATCH",
            one,
            200,
            lambda call: control.put_response(call["api"], family, call["parent"], call.body, call["id"]),
        )
        self._add(
            "DELETE",
            one,
            204,
            lambda call: control.delete_response(call["api"], family, call["parent"], call["id"]),
        )

    def _add_stages(self) -> None:
        control, stage = self._control, "apis/{api}/stages/{id}"
        self._add(
            "DELETE",
            f"{stage}/accesslogsettings",
            204,
            lambda call: control.delete_access_log(call["api"], call["id"]),
        )
        self._add(
            "DELETE",
            f"{stage}/routesettings/{{key}}",
            204,
            lambda call: control.delete_route_settings(call["api"], call["id"], call["key"]),
        )
        self._add("DELETE", f"{stage}/cache/authorizers", 204, self._reset_cache)
        self._add(
            "DELETE",
            "apis/{api}/routes/{id}/requestparameters/{key}",
            204,
            lambda call: control.delete_request_parameter(call["api"], call["id"], call["key"]),
        )

    def _reset_cache(self, call: Incoming) -> None:
        self._control.get(call["api"], "stages", call["id"])
        for listener in self.on_reset_cache:
            listener(call["api"], call["id"])

    def _add_deployments(self) -> None:
        control, many, one = self._control, "apis/{api}/deployments", "apis/{api}/deployments/{id}"
        self._add("POST", many, 201, lambda call: control.create_deployment(call["api"], call.body))
        self._add(
            "GET",
            many,
            200,
            lambda call: _page(call, [d.record for d in control.store.get(call["api"]).deployments.values()]),
        )
        self._add("GET", one, 200, lambda call: control.deployment(call["api"], call["id"]).record)
        self._add(
            "PATCH", one, 200, lambda call: control.update_deployment(call["api"], call["id"], call.body)
        )
        self._add("DELETE", one, 204, lambda call: control.delete_deployment(call["api"], call["id"]))

    def _add_tags(self) -> None:
        self._add("GET", "tags/{arn}", 200, lambda call: {"tags": self._tags(call["arn"])})
        self._add("POST", "tags/{arn}", 201, self._tag)
        self._add("DELETE", "tags/{arn}", 204, self._untag)

    def _tags(self, arn: str) -> dict[str, str]:
        tags: dict[str, str] = self._tagged(arn).get("tags") or {}
        return tags

    def _tag(self, call: Incoming) -> Record:
        given = call.body.get("tags")
        if not isinstance(given, dict):
            raise bad_request("Tags must be a map of strings")
        self._tagged(call["arn"])["tags"] = {**self._tags(call["arn"]), **given}
        return {}

    def _untag(self, call: Incoming) -> None:
        keys = parse_qs(call.request.query).get("tagKeys", [])
        left = {key: value for key, value in self._tags(call["arn"]).items() if key not in keys}
        self._tagged(call["arn"])["tags"] = left

    def _tagged(self, arn: str) -> Record:
        """The record that an ARN names: `arn:aws:apigateway:REGION::/apis/ID`, perhaps with `/stages/NAME`."""
        parts = arn.rpartition("::/")[2].split("/")
        if parts[0] == "apis" and len(parts) == 2:
            return self._control.store.get(parts[1]).record
        if parts[0] == "apis" and len(parts) == 4 and parts[2] == "stages":
            return self._control.get(parts[1], "stages", parts[3])
        raise not_found(f"Invalid resource specified {arn}")


def _document(call: Incoming) -> str:
    body = call.body.get("body")
    if not isinstance(body, str):
        raise bad_request("Body is a required parameter")
    return body


def _import_options(call: Incoming) -> dict[str, Any]:
    return {
        "basepath": call.query.get("basepath", "ignore"),
        "fail_on_warnings": call.query.get("failOnWarnings", "").lower() == "true",
    }


def _page(call: Incoming, items: list[Record]) -> Record:
    """One page of a list: `maxResults` items from where `nextToken` says."""
    size, start = call.query.get("maxResults", ""), call.query.get("nextToken", "0")
    if (size and not size.isdigit()) or not start.isdigit():
        raise bad_request("Invalid MaxResults or NextToken")
    end = int(start) + (int(size) if size else len(items))
    more = {"nextToken": str(end)} if end < len(items) else {}
    return {"items": items[int(start) : end], **more}
