"""REST APIs in a real cloud: made with boto3, asked over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.conftest import Cloud, wait_for
from tests.gateway.http_api.gateway import ECHO, Answer, Gateway, Headers, send

REGION, ACCOUNT = "us-east-1", "123456789012"


def invocation_uri(function_arn: str) -> str:
    """A function as integrations and authorizers name it."""
    return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function_arn}/invocations"


class RestGateway(Gateway):
    """Makes functions and REST APIs."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.rest = cloud.client("apigateway")

    def rest_api(self, **settings: Any) -> RestApi:
        """A new REST API with nothing in it."""
        made = self.rest.create_rest_api(name=f"test-{uuid.uuid4().hex[:8]}", **settings)
        return RestApi(self, made["id"], {"/": made["rootResourceId"]})

    def rest_echo(self, *paths: str, source: str = ECHO, **settings: Any) -> RestApi:
        """A deployed API that answers with the event, at these paths, for any method."""
        api = self.rest_api(**settings)
        arn = self.function(source)
        for path in paths or ("/{proxy+}",):
            api.proxy(path, arn, "ANY")
        api.deploy()
        return api


@dataclass
class RestApi:
    """One REST API. `stage` is where `ask` goes."""

    gateway: RestGateway
    id: str
    resources: dict[str, str] = field(default_factory=dict)
    stage: str = "prod"

    @property
    def client(self) -> Any:
        return self.gateway.rest

    def resource(self, path: str) -> str:
        """The id of a path's resource, which is made if need be."""
        if path not in self.resources:
            parent, _, part = path.rpartition("/")
            made = self.client.create_resource(
                restApiId=self.id, parentId=self.resource(parent or "/"), pathPart=part
            )
            self.resources[path] = made["id"]
        return self.resources[path]

    def place(self, path: str, method: str = "GET") -> dict[str, str]:
        """The arguments that name a method."""
        return {"restApiId": self.id, "resourceId": self.resource(path), "httpMethod": method}

    def method(self, path: str, method: str = "GET", **settings: Any) -> None:
        """A method."""
        self.client.put_method(**{"authorizationType": "NONE", **self.place(path, method), **settings})

    def integrate(self, path: str, method: str = "GET", **settings: Any) -> None:
        """A method's integration."""
        self.client.put_integration(**self.place(path, method), **settings)

    def proxy(
        self, path: str, arn: str, method: str = "GET", *, method_settings: Any = None, **more: Any
    ) -> None:
        """A method that hands its requests to a function."""
        self.method(path, method, **(method_settings or {}))
        self.integrate(
            path, method, type="AWS_PROXY", integrationHttpMethod="POST", uri=invocation_uri(arn), **more
        )

    def responses(self, path: str, method: str = "GET", status: str = "200", **settings: Any) -> None:
        """A method response and an integration response of the same status."""
        parameters = settings.get("responseParameters") or {}
        place = self.place(path, method)
        self.client.put_method_response(
            **place, statusCode=status, responseParameters=dict.fromkeys(parameters, False)
        )
        self.client.put_integration_response(**place, statusCode=status, **settings)

    def mock(
        self,
        path: str = "/",
        method: str = "GET",
        template: str = "",
        *,
        method_settings: Any = None,
        request_template: str = '{"statusCode": 200}',
        **response: Any,
    ) -> None:
        """A method that answers by itself, with what a template makes of the request."""
        self.method(path, method, **(method_settings or {}))
        self.integrate(path, method, type="MOCK", requestTemplates={"application/json": request_template})
        templates = {"application/json": template} if template else {}
        self.responses(path, method, responseTemplates=templates, **response)

    def deploy(self, stage: str = "prod", **settings: Any) -> str:
        """The id of a new deployment, to which a stage then points."""
        made = self.client.create_deployment(restApiId=self.id, stageName=stage, **settings)
        self.stage = stage
        return str(made["id"])

    def set_stage(self, **values: str) -> dict[str, Any]:
        """Replace settings of the stage: names are paths with `__` for a slash and `ALL` for `*/*`."""
        return self.patch_stage(
            *(
                {"op": "replace", "path": "/" + name.replace("ALL", "*/*").replace("__", "/"), "value": value}
                for name, value in values.items()
            )
        )

    def patch_stage(self, *patches: dict[str, str]) -> dict[str, Any]:
        """UpdateStage."""
        found: dict[str, Any] = self.client.update_stage(
            restApiId=self.id, stageName=self.stage, patchOperations=list(patches)
        )
        return found

    def authorizer(self, kind: str, arn: str = "", **settings: Any) -> str:
        """The id of an authorizer; `arn` is its function's."""
        uri = {"authorizerUri": invocation_uri(arn)} if arn else {}
        made = self.client.create_authorizer(
            restApiId=self.id, name=uuid.uuid4().hex, type=kind, **uri, **settings
        )
        return str(made["id"])

    def target(self, path: str) -> str:
        """What a request line says for a path of the stage."""
        return f"/_aws/execute-api/{self.id}/{self.stage}{path}"

    def ask(
        self,
        path: str = "/",
        method: str = "GET",
        headers: Headers | None = None,
        body: bytes | None = None,
        *,
        timeout_s: float = 20,
    ) -> Answer:
        """One request; `path` goes out exactly as it is."""
        netloc = urlsplit(self.gateway.cloud.endpoint_url).netloc
        with contextlib.closing(http.client.HTTPConnection(netloc, timeout=timeout_s)) as connection:
            return send(connection, self.target(path), method, headers, body)

    def signed(self, path: str, method: str = "GET") -> dict[str, str]:
        """Headers that sign a request for a path of the stage."""
        return self.gateway.cloud.signed_headers(method, self.target(path))

    def test(self, path: str, method: str = "GET", **settings: Any) -> dict[str, Any]:
        """TestInvokeMethod."""
        found: dict[str, Any] = self.client.test_invoke_method(**self.place(path, method), **settings)
        return found

    def log(self, expected: str) -> str:
        """The stage's execution log, once it has a line with these words."""
        logs, group = self.gateway.cloud.client("logs"), f"API-Gateway-Execution-Logs_{self.id}/{self.stage}"

        def found() -> str:
            with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
                events = logs.filter_log_events(logGroupName=group)["events"]
                text = "\n".join(event["message"] for event in events)
                return text if expected in text else ""
            return ""

        text: str = wait_for(found, f"{expected!r} in the execution log")
        return text


def message(answer: Answer) -> tuple[int, Any]:
    """The status of an answer, and what its `message` says."""
    found = json.loads(answer.body)
    return answer.status, found.get("message", found.get("Message"))
