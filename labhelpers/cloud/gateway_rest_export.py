"""GetExport: the deployment of a REST API's stage as an OpenAPI document."""

from __future__ import annotations

import time

from labhelpers.cloud.gateway_rest_call import RestCall, bad_request, not_found
from labhelpers.cloud.protocol import AwsResponse
from labhelpers.errors import NotEmulated
from labhelpers.gateway.rest.documents import as_bytes
from labhelpers.gateway.rest.openapi_documentation import Documentation
from labhelpers.gateway.rest.openapi_export import Wanted, write_document
from labhelpers.gateway.rest.store import Record, RestApi

_EXTENSIONS = frozenset({"integrations", "authorizers", "apigateway", "documentation", "postman"})


def get_export(call: RestCall) -> AwsResponse:
    """GetExport: in JSON, or in YAML to who accepts that."""
    api, kind = call.api, call["type"]
    stage = api.stages.get(call["stage"])
    if stage is None:
        raise not_found("Invalid stage identifier specified")
    if kind not in ("swagger", "oas30"):
        raise bad_request(f"No API exporter for type '{kind}'")
    deployment = api.deployments[stage["deploymentId"]]
    made_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(deployment.record["createdDate"]))
    version = str(deployment.snapshot.api.get("version") or made_at)
    document = write_document(
        deployment.snapshot,
        Wanted(kind == "swagger", call["stage"], call.request.host, version, *_extensions(call)),
        _documentation(api, stage),
    )
    yaml = "yaml" in (call.request.headers.get("Accept") or "").lower()
    name = f"{kind}_{version}.{'yaml' if yaml else 'json'}".replace('"', "")
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f'attachment; filename="{name.encode("ascii", "replace").decode()}"',
    }
    return AwsResponse(200, headers, as_bytes(document, yaml=yaml))


def _extensions(call: RestCall) -> tuple[bool, bool, bool]:
    """Whether integrations, authorizers and documentation are wanted."""
    wanted = {each.strip() for each in (call.query.get("extensions") or "").split(",") if each.strip()}
    if unknown := sorted(wanted - _EXTENSIONS):
        raise bad_request(f"Invalid extensions specified: {', '.join(unknown)}")
    if "postman" in wanted:
        raise NotEmulated("Postman's extensions in exported documents")
    all_of_them = "apigateway" in wanted
    return (
        all_of_them or "integrations" in wanted,
        all_of_them or "authorizers" in wanted,
        "documentation" in wanted,
    )


def _documentation(api: RestApi, stage: Record) -> Documentation:
    """The parts of the documentation version that the stage has."""
    version = str(stage.get("documentationVersion") or "")
    record, parts = api.documentation_versions.get(version, ({}, {}))
    return Documentation(version, record, list(parts.values()))
