"""What API Gateway's V2 control plane does: makes, changes and deletes APIs and their parts, and deploys them.

Called by `cloud.gateway_v2_service`, which reads requests and words answers. Every method takes members with AWS's
names in JSON, raises AwsError as AWS does, and returns the record that the answer shows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from labhelpers.gateway.v2 import members, openapi_export, rules, websocket_rules
from labhelpers.gateway.v2.members import ROUTE_SETTINGS, Record, Shape, bad_request, conflict, not_found
from labhelpers.gateway.v2.openapi_import import Plan, read_document
from labhelpers.gateway.v2.store import DEFAULT_STAGE, HTTP, Api, ApiStore, Deployment, new_id

_QUICK = ("target", "routeKey", "credentialsArn")
_DEFAULTS = {
    HTTP: {"routeSelectionExpression": "$request.method $request.path"},
    "WEBSOCKET": {"routeSelectionExpression": "$request.body.action"},
}


class ApiControl:
    """The operations on a store's APIs. `address` is the ApiEndpoint of an API, by protocol and id."""

    def __init__(
        self, store: ApiStore, address: Callable[[str, str], str], now: Callable[[], float] = time.time
    ) -> None:
        self.store = store
        self._address = address
        self._now = now

    # --- APIs ---

    def create_api(self, given: Mapping[str, Any]) -> Record:
        """CreateApi; with `target` also an integration, a route and the `$default` stage (quick create)."""
        settings = members.API.read(given, creating=True)
        quick = {name: settings.pop(name) for name in _QUICK if name in settings}
        protocol = settings["protocolType"]
        api_id = new_id(10)
        record = {
            "apiEndpoint": self._address(protocol, api_id),
            "apiId": api_id,
            "apiKeySelectionExpression": "$request.header.x-api-key",
            "createdDate": self._date(),
            "disableExecuteApiEndpoint": False,
            "ipAddressType": "ipv4",
            "tags": {},
            **_DEFAULTS[protocol],
            **settings,
        }
        api = Api(record)
        self._check_api(api, {**record, **quick})
        self.store.apis[api_id] = api
        try:
            if quick.get("target"):
                self._quick_create(api, quick)
        except Exception:
            del self.store.apis[api_id]
            raise
        self.store.changed(api_id)
        return api.record

    def _quick_create(self, api: Api, quick: Mapping[str, Any]) -> None:
        if not api.is_http:
            raise bad_request("Target is supported only for HTTP APIs")
        target = quick["target"]
        is_function = target.startswith("arn:")
        integration = self.create(
            api.id,
            "integrations",
            {
                "integrationType": "AWS_PROXY" if is_function else "HTTP_PROXY",
                "integrationMethod": "POST" if is_function else "ANY",
                "integrationUri": target,
                "payloadFormatVersion": "2.0" if is_function else "1.0",
                **({"credentialsArn": quick["credentialsArn"]} if "credentialsArn" in quick else {}),
            },
            managed=True,
        )
        route = {
            "routeKey": quick.get("routeKey") or rules.DEFAULT_ROUTE,
            "target": f"integrations/{integration['integrationId']}",
        }
        self.create(api.id, "routes", route, managed=True)
        self.create(api.id, "stages", {"stageName": DEFAULT_STAGE, "autoDeploy": True}, managed=True)

    def update_api(self, api_id: str, given: Mapping[str, Any]) -> Record:
        """UpdateApi; `target`, `routeKey` and `credentialsArn` change what quick create made."""
        api = self.store.get(api_id)
        settings = members.API.read(given, creating=False)
        quick = {name: settings.pop(name) for name in _QUICK if name in settings}
        settings.pop("protocolType", None)
        self._check_api(api, {**settings, **quick})
        if quick:
            self._update_quick(api, quick)
        api.record = {**api.record, **settings}
        self._touch(api)
        return api.record

    def _update_quick(self, api: Api, quick: Mapping[str, Any]) -> None:
        integration = next((i for i in api.integrations.values() if i.get("apiGatewayManaged")), None)
        route = next((r for r in api.routes.values() if r.get("apiGatewayManaged")), None)
        if integration is None or route is None:
            raise bad_request(
                "Target, RouteKey and CredentialsArn are supported only for APIs made by quick create"
            )
        change: Record = {}
        if "target" in quick:
            change["integrationUri"] = quick["target"]
        if "credentialsArn" in quick:
            change["credentialsArn"] = quick["credentialsArn"]
        if change:
            self.update(api.id, "integrations", integration["integrationId"], change)
        if "routeKey" in quick:
            self.update(api.id, "routes", route["routeId"], {"routeKey": quick["routeKey"]})

    def _check_api(self, api: Api, settings: Mapping[str, Any]) -> None:
        (rules if api.is_http else websocket_rules).check_api(settings)

    def delete_api(self, api_id: str) -> None:
        """DeleteApi, with all that belongs to it."""
        self.store.get(api_id)
        del self.store.apis[api_id]
        self.store.changed(api_id)

    def delete_cors(self, api_id: str) -> None:
        """DeleteCorsConfiguration."""
        api = self.store.get(api_id)
        api.record = {name: value for name, value in api.record.items() if name != "corsConfiguration"}
        self._touch(api)

    # --- OpenAPI documents ---

    def import_api(self, body: str, *, basepath: str = "ignore", fail_on_warnings: bool = False) -> Record:
        """ImportApi: a new HTTP API from a document."""
        plan = _planned(body, basepath, fail_on_warnings)
        record = self.create_api(plan.api)
        try:
            self._build(self.store.get(record["apiId"]), plan)
        except Exception:
            del self.store.apis[record["apiId"]]
            raise
        return self._imported(record["apiId"], plan)

    def reimport_api(
        self, api_id: str, body: str, *, basepath: str = "ignore", fail_on_warnings: bool = False
    ) -> Record:
        """ReimportApi: routes, integrations and authorizers of an HTTP API are those of the document, and no others."""
        api = self.store.get(api_id)
        if not api.is_http:
            raise bad_request("Import is supported only for protocolType HTTP")
        plan = _planned(body, basepath, fail_on_warnings)
        fresh = Api({name: value for name, value in api.record.items() if name != "corsConfiguration"})
        fresh.record.update({name: value for name, value in plan.api.items() if name != "protocolType"})
        self._check_api(fresh, plan.api)
        self.store.apis[api_id] = fresh
        try:
            self._build(fresh, plan)
        except Exception:
            self.store.apis[api_id] = api
            raise
        fresh.stages, fresh.deployments = api.stages, api.deployments
        self._touch(fresh)
        return self._imported(api_id, plan)

    def _build(self, api: Api, plan: Plan) -> None:
        integrations = [
            self.create(api.id, "integrations", each)["integrationId"] for each in plan.integrations
        ]
        authorizers = {
            name: self.create(api.id, "authorizers", each)["authorizerId"]
            for name, each in plan.authorizers.items()
        }
        for planned in plan.routes:
            route = {k: v for k, v in planned.items() if k not in ("integration", "authorizer")}
            if "integration" in planned:
                route["target"] = f"integrations/{integrations[planned['integration']]}"
            if "authorizer" in planned:
                route["authorizerId"] = authorizers[planned["authorizer"]]
            self.create(api.id, "routes", route)

    def _imported(self, api_id: str, plan: Plan) -> Record:
        record = self.store.get(api_id).record
        return {**record, "importInfo": [], "warnings": plan.warnings} if plan.warnings else record

    def export_api(self, api_id: str, *, output_type: str, extensions: bool = True, stage: str = "") -> bytes:
        """ExportApi: the API as it is, or as a stage serves it, as an OpenAPI document in JSON or YAML."""
        api = self.store.get(api_id)
        if not api.is_http:
            raise bad_request("Export is supported only for protocolType HTTP")
        if output_type not in ("JSON", "YAML"):
            raise bad_request("Invalid outputType specified. Must be one of [YAML, JSON]")
        snapshot = api.snapshot()
        if stage:
            self.get(api_id, "stages", stage)
            live = self.store.live(api_id, stage)
            if live is None:
                raise not_found(f"Nothing is deployed to the stage {stage}")
            snapshot = live.snapshot
        document = openapi_export.write_document(api.record, snapshot, extensions=extensions, stage=stage)
        return openapi_export.as_bytes(document, output_type)

    # --- Parts of an API: authorizers, integrations, models, routes, stages ---

    def create(self, api_id: str, family: str, given: Mapping[str, Any], *, managed: bool = False) -> Record:
        """CreateAuthorizer, CreateIntegration, CreateModel, CreateRoute or CreateStage, by `family` (`routes`, ...)."""
        api = self.store.get(api_id)
        part = PARTS[family]
        settings = part.shape.read(given, creating=True)
        key = settings["stageName"] if family == "stages" else new_id(part.id_length)
        record = {**self._defaults(api, family, settings), **settings, part.id_name: key}
        if managed:
            record["apiGatewayManaged"] = True
        kept = part.kept(api)
        part.check(api, record)
        part.check_unique(kept, record, "")
        kept[key] = record
        if family == "stages":
            self._settle_stage(api, key)
        else:
            self._touch(api)
        self.store.changed(api_id)
        return kept[key]

    def update(self, api_id: str, family: str, key: str, given: Mapping[str, Any]) -> Record:
        """UpdateAuthorizer, ... UpdateStage: the members given replace those that were there."""
        api = self.store.get(api_id)
        part = PARTS[family]
        old = self.get(api_id, family, key)
        change = part.shape.read(given, creating=False)
        change.pop("stageName", None)
        record = rules.merged(old, change, part.merged)
        part.check(api, record)
        part.check_unique(part.kept(api), record, key)
        if family == "stages":
            self._check_stage_change(old, change)
            record["lastUpdatedDate"] = self._date()
        part.kept(api)[key] = record
        if family == "stages":
            self._settle_stage(api, key)
        else:
            self._touch(api)
        self.store.changed(api_id)
        return part.kept(api)[key]

    def get(self, api_id: str, family: str, key: str) -> Record:
        """GetAuthorizer, ... GetStage. AwsError NotFoundException."""
        part = PARTS[family]
        record = part.kept(self.store.get(api_id)).get(key)
        if record is None:
            raise not_found(
                "Invalid stage identifier specified"
                if family == "stages"
                else f"Invalid {part.shape.name} identifier specified {key}"
            )
        return record

    def all_of(self, api_id: str, family: str) -> list[Record]:
        """GetAuthorizers, ... GetStages: all of them, in the order in which they were made."""
        return list(PARTS[family].kept(self.store.get(api_id)).values())

    def delete(self, api_id: str, family: str, key: str) -> None:
        """DeleteAuthorizer, ... DeleteStage; what a route still uses stays."""
        api = self.store.get(api_id)
        self.get(api_id, family, key)
        for route in api.routes.values():
            if family == "integrations" and route.get("target") == f"integrations/{key}":
                raise conflict(
                    f"Cannot delete Integration '{key}' because it is the target of {route['routeKey']}"
                )
            if family == "authorizers" and route.get("authorizerId") == key:
                raise conflict(f"Cannot delete Authorizer '{key}' because it is used by {route['routeKey']}")
        del PARTS[family].kept(api)[key]
        if family == "routes":
            api.route_responses.pop(key, None)
        elif family == "integrations":
            api.integration_responses.pop(key, None)
        if family != "stages":
            self._touch(api)
        self.store.changed(api_id)

    def _defaults(self, api: Api, family: str, given: Mapping[str, Any]) -> Record:
        if family == "routes":
            return {"apiKeyRequired": False, "authorizationType": "NONE"}
        if family == "integrations":
            proxy = given["integrationType"] in ("AWS_PROXY", "HTTP_PROXY")
            found: Record = {
                "connectionType": "INTERNET",
                "timeoutInMillis": 30_000 if api.is_http else 29_000,
            }
            if given["integrationType"] == "AWS_PROXY":
                found["integrationMethod"] = "POST"
            if given["integrationType"] == "HTTP_PROXY" or not api.is_http:
                found["payloadFormatVersion"] = "1.0"
            if not api.is_http:
                found.update(websocket_rules.integration_defaults(given, proxy=proxy))
            return found
        if family == "stages":
            quiet = {} if api.is_http else {"dataTraceEnabled": False, "loggingLevel": "OFF"}
            return {
                "createdDate": self._date(),
                "defaultRouteSettings": {"detailedMetricsEnabled": False, **quiet},
                "lastUpdatedDate": self._date(),
                "routeSettings": {},
                "stageVariables": {},
                "tags": {},
            }
        if family == "models":
            return {"contentType": "application/json"}
        return {}

    # --- What belongs to a part: route responses, integration responses ---

    def responses(self, api_id: str, family: str, parent: str) -> dict[str, Record]:
        """The responses of a route (`routes`) or an integration (`integrations`), by id; to be read only."""
        api = self.store.get(api_id)
        self.get(api_id, family, parent)
        kept = api.route_responses if family == "routes" else api.integration_responses
        return kept.get(parent, {})

    def put_response(
        self, api_id: str, family: str, parent: str, given: Mapping[str, Any], key: str = ""
    ) -> Record:
        """CreateRouteResponse and CreateIntegrationResponse; with `key` the update of one."""
        api = self.store.get(api_id)
        shape, id_name = RESPONSES[family]
        known = self.responses(api_id, family, parent)
        if api.is_http:
            raise bad_request(f"{shape.name}s are not supported for protocolType HTTP")
        if key and key not in known:
            raise not_found(f"Invalid {shape.name} identifier specified {key}")
        settings = shape.read(given, creating=not key)
        record = {**known.get(key, {}), **settings, id_name: key or new_id(6)}
        websocket_rules.check_response(family, known, record)
        kept = api.route_responses if family == "routes" else api.integration_responses
        kept[parent] = {**known, record[id_name]: record}
        self._touch(api)
        return record

    def delete_response(self, api_id: str, family: str, parent: str, key: str) -> None:
        """DeleteRouteResponse, DeleteIntegrationResponse."""
        api = self.store.get(api_id)
        known = self.responses(api_id, family, parent)
        if key not in known:
            raise not_found(f"Invalid {RESPONSES[family][0].name} identifier specified {key}")
        kept = api.route_responses if family == "routes" else api.integration_responses
        kept[parent] = {each: record for each, record in known.items() if each != key}
        self._touch(api)

    # --- Stages' settings that are removed one by one ---

    def delete_access_log(self, api_id: str, stage: str) -> None:
        """DeleteAccessLogSettings."""
        self._drop(api_id, stage, "accessLogSettings")

    def delete_route_settings(self, api_id: str, stage: str, route_key: str) -> None:
        """DeleteRouteSettings of one route."""
        record = self.get(api_id, "stages", stage)
        settings = record.get("routeSettings") or {}
        if route_key not in settings:
            raise not_found(f"Unable to find Route by key {route_key} within the provided RouteSettings")
        left = {key: value for key, value in settings.items() if key != route_key}
        self.store.get(api_id).stages[stage] = {**record, "routeSettings": left}
        self.store.changed(api_id)

    def delete_request_parameter(self, api_id: str, route_id: str, name: str) -> None:
        """DeleteRouteRequestParameter."""
        record = self.get(api_id, "routes", route_id)
        known = record.get("requestParameters") or {}
        if name not in known:
            raise not_found(f"Invalid request parameter specified {name}")
        left = {key: value for key, value in known.items() if key != name}
        self.store.get(api_id).routes[route_id] = {**record, "requestParameters": left}
        self._touch(self.store.get(api_id))

    def _drop(self, api_id: str, stage: str, member: str) -> None:
        record = self.get(api_id, "stages", stage)
        self.store.get(api_id).stages[stage] = {k: v for k, v in record.items() if k != member}
        self.store.changed(api_id)

    # --- Deployments ---

    def create_deployment(self, api_id: str, given: Mapping[str, Any]) -> Record:
        """CreateDeployment; with `stageName` that stage serves it from now on."""
        api = self.store.get(api_id)
        settings = members.DEPLOYMENT.read(given, creating=True)
        stage_name = settings.pop("stageName", "")
        if stage_name:
            self.get(api_id, "stages", stage_name)
        if not api.routes:  # seen
            raise bad_request("Unable to deploy API because no routes exist in this API")
        deployment = self._deploy(api, automatic=False, description=settings.get("description"))
        if stage_name:
            self._assign(api, stage_name, deployment)
        self.store.changed(api_id)
        return deployment.record

    def deployment(self, api_id: str, key: str) -> Deployment:
        """One deployment. AwsError NotFoundException."""
        if (found := self.store.get(api_id).deployments.get(key)) is None:
            raise not_found(f"Invalid Deployment identifier specified {key}")
        return found

    def update_deployment(self, api_id: str, key: str, given: Mapping[str, Any]) -> Record:
        """UpdateDeployment: its description."""
        deployment = self.deployment(api_id, key)
        settings = members.DEPLOYMENT.read(given, creating=False)
        settings.pop("stageName", None)
        deployment.record = {**deployment.record, **settings}
        return deployment.record

    def delete_deployment(self, api_id: str, key: str) -> None:
        """DeleteDeployment, unless a stage serves it."""
        api = self.store.get(api_id)
        self.deployment(api_id, key)
        if any(stage.get("deploymentId") == key for stage in api.stages.values()):
            raise bad_request("Active stages pointing to this deployment must be moved or deleted")
        del api.deployments[key]

    def _deploy(self, api: Api, *, automatic: bool, description: str | None = None) -> Deployment:
        record: Record = {
            "autoDeployed": automatic,
            "createdDate": self._date(),
            "deploymentId": new_id(6),
            "deploymentStatus": "DEPLOYED",
        }
        if automatic:
            record["description"] = "Automatic deployment triggered by changes to the Api configuration"
        elif description is not None:
            record["description"] = description
        deployment = api.deployments[record["deploymentId"]] = Deployment(record, api.snapshot())
        return deployment

    def _assign(self, api: Api, stage_name: str, deployment: Deployment) -> None:
        key = deployment.record["deploymentId"]
        api.stages[stage_name] = {
            **api.stages[stage_name],
            "deploymentId": key,
            "lastDeploymentStatusMessage": f"Successfully deployed stage with deployment ID '{key}'",
        }

    def _touch(self, api: Api) -> None:
        """Something that deployments cover has changed: stages with auto-deploy serve it at once."""
        automatic = [name for name, stage in api.stages.items() if stage.get("autoDeploy")]
        if automatic:
            self._forget_automatic(api, automatic)
            deployment = self._deploy(api, automatic=True)
            for name in automatic:
                self._assign(api, name, deployment)
        self.store.changed(api.id)

    def _forget_automatic(self, api: Api, stages: list[str]) -> None:
        """AWS: automatic deployments that no stage serves any more go after a while. Here: but for the newest few."""
        used = {stage.get("deploymentId") for name, stage in api.stages.items() if name not in stages}
        old = [key for key, d in api.deployments.items() if d.record["autoDeployed"] and key not in used]
        for key in old[:-_AUTOMATIC_KEPT]:
            del api.deployments[key]

    def _settle_stage(self, api: Api, name: str) -> None:
        if api.stages[name].get("autoDeploy"):
            self._assign(api, name, self._deploy(api, automatic=True))

    @staticmethod
    def _check_stage_change(old: Mapping[str, Any], change: Mapping[str, Any]) -> None:
        if change.get("deploymentId") and change.get("autoDeploy", old.get("autoDeploy")):
            raise bad_request("DeploymentId cannot be set on a stage with auto-deploy enabled")

    def _date(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._now()))


_AUTOMATIC_KEPT = 20


class Part:
    """One family of an API's parts: where it is kept, its id, its shape, and what is checked of it."""

    def __init__(
        self,
        shape: Shape,
        attribute: str,
        id_name: str,
        check: Callable[[Api, Record], None],
        *,
        id_length: int = 7,
        unique: str = "",
        merged: tuple[str, ...] = (),
    ) -> None:
        self.shape = shape
        self.id_name = id_name
        self.id_length = id_length
        self.check = check
        self.merged = merged
        self._attribute = attribute
        self._unique = unique

    def kept(self, api: Api) -> dict[str, Record]:
        """The records of this family in an API, by id."""
        found: dict[str, Record] = getattr(api, self._attribute)
        return found

    def check_unique(self, kept: Mapping[str, Record], record: Record, key: str) -> None:
        """AwsError ConflictException when another one has the same name or route key."""
        if not self._unique:
            return
        value = record.get(self._unique)
        if any(other.get(self._unique) == value and other[self.id_name] != key for other in kept.values()):
            name = "key" if self._unique == "routeKey" else "name"
            raise conflict(
                "Stage already exists"
                if self._unique == "stageName"
                else f"{self.shape.name} with {name} {value} already exists for this API"
            )


def _planned(body: str, basepath: str, fail_on_warnings: bool) -> Plan:
    plan = read_document(body, basepath)
    if plan.warnings and fail_on_warnings:
        found = "".join(f"\n\t{warning}" for warning in plan.warnings)
        raise bad_request(f"Warnings found during import:{found}")
    return plan


def _check_route(api: Api, record: Record) -> None:
    (rules if api.is_http else websocket_rules).check_route(api, record)


def _check_integration(api: Api, record: Record) -> None:
    (rules if api.is_http else websocket_rules).check_integration(record)


def _check_authorizer(api: Api, record: Record) -> None:
    (rules if api.is_http else websocket_rules).check_authorizer(record)


def _check_stage(api: Api, record: Record) -> None:
    for name in ("defaultRouteSettings",):
        record[name] = ROUTE_SETTINGS.read(record.get(name) or {}, creating=False)
    record["routeSettings"] = {
        key: ROUTE_SETTINGS.read(value, creating=False)
        for key, value in (record.get("routeSettings") or {}).items()
    }
    rules.check_stage(api, record)


def _check_model(api: Api, record: Record) -> None:
    if api.is_http:
        raise bad_request("Models are not supported for protocolType HTTP")


PARTS: Mapping[str, Part] = {
    "authorizers": Part(
        members.AUTHORIZER, "authorizers", "authorizerId", _check_authorizer, id_length=6, unique="name"
    ),
    "integrations": Part(
        members.INTEGRATION,
        "integrations",
        "integrationId",
        _check_integration,
        merged=("requestParameters", "requestTemplates", "responseParameters"),
    ),
    "models": Part(members.MODEL, "models", "modelId", _check_model, id_length=6, unique="name"),
    "routes": Part(members.ROUTE, "routes", "routeId", _check_route, unique="routeKey"),
    "stages": Part(
        members.STAGE,
        "stages",
        "stageName",
        _check_stage,
        unique="stageName",
        merged=("stageVariables", "routeSettings"),
    ),
}
RESPONSES: Mapping[str, tuple[Shape, str]] = {
    "routes": (members.ROUTE_RESPONSE, "routeResponseId"),
    "integrations": (members.INTEGRATION_RESPONSE, "integrationResponseId"),
}
