"""What AWS checks of the settings of WebSocket APIs. Pure; the counterpart of `rules`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labhelpers.errors import NotEmulated
from labhelpers.gateway.v2 import rules
from labhelpers.gateway.v2.members import Record, bad_request, conflict
from labhelpers.gateway.v2.store import Api

_TIMEOUT_MS_MAX = 29_000


def check_api(settings: Mapping[str, Any]) -> None:
    """Members of CreateApi and UpdateApi of a WebSocket API."""
    if settings.get("corsConfiguration") is not None:
        raise bad_request("CORS is supported only for protocolType HTTP")


def check_route(api: Api, route: Mapping[str, Any]) -> None:
    """A whole route, as it would be kept."""
    if not route.get("routeKey"):
        raise bad_request("Route key is required")
    rules.check_target(api, route)
    rules.check_authorization(api, route)


def check_integration(integration: Mapping[str, Any]) -> None:
    """A whole integration, as it would be kept."""
    if integration.get("connectionType") == "VPC_LINK" or integration.get("connectionId"):
        raise NotEmulated("private integrations of WebSocket APIs (ConnectionType VPC_LINK)")
    rules.check_timeout(integration, _TIMEOUT_MS_MAX)


def integration_defaults(given: Mapping[str, Any], *, proxy: bool) -> Record:
    """What an integration of a WebSocket API has when nobody says otherwise."""
    if proxy:
        return {"passthroughBehavior": "WHEN_NO_MATCH"}
    selection = (
        "${integration.response.body.errorMessage}"
        if given["integrationType"] == "AWS"
        else "${integration.response.statuscode}"
    )
    return {"passthroughBehavior": "WHEN_NO_MATCH", "integrationResponseSelectionExpression": selection}


def check_authorizer(authorizer: Mapping[str, Any]) -> None:
    """A whole authorizer, as it would be kept."""
    if authorizer["authorizerType"] != "REQUEST":
        raise bad_request("Only REQUEST authorizers are supported for protocolType WEBSOCKET")
    if not authorizer.get("authorizerUri"):
        raise bad_request("AuthorizerUri is a required parameter for REQUEST authorizer")


def check_response(family: str, known: Mapping[str, Record], record: Record) -> None:
    """A route response (`routes`) or an integration response (`integrations`) beside those that are known."""
    name, id_name = (
        ("routeResponseKey", "routeResponseId")
        if family == "routes"
        else ("integrationResponseKey", "integrationResponseId")
    )
    if any(each[name] == record[name] and each[id_name] != record[id_name] for each in known.values()):
        raise conflict(f"A response with the key {record[name]} already exists")
