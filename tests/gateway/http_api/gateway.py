"""HTTP APIs in a real cloud: functions, APIs and requests, and a backend and an issuer beside it."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import io
import json
import threading
import time
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.conftest import Cloud

ROLE = "arn:aws:iam::123456789012:role/lab-function-role"
ECHO = (
    "def handler(event, context):\n    return {'statusCode': 200, 'body': __import__('json').dumps(event)}\n"
)
Headers = dict[str, str] | list[tuple[str, str]]


@dataclass
class Answer:
    """What a client got. `headers` has names in lower case; `pairs` all of them as sent."""

    status: int
    body: bytes
    pairs: list[tuple[str, str]] = field(default_factory=list)

    @property
    def headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.pairs}

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Gateway:
    """Makes functions and APIs with boto3 and asks them over HTTP."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.functions = cloud.client("lambda")
        self.apis = cloud.client("apigatewayv2")

    def function(self, source: str = ECHO, *, allow: bool = True, **settings: Any) -> str:
        """The ARN of a new function, which API Gateway may call unless told otherwise."""
        name = f"f{uuid.uuid4().hex[:12]}"
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("index.py", source)
        arn: str = self.functions.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="index.handler",
            Role=ROLE,
            Code={"ZipFile": buffer.getvalue()},
            **settings,
        )["FunctionArn"]
        if allow:
            self.allow(arn)
        return arn

    def allow(self, arn: str, **options: str) -> None:
        """Let API Gateway call a function."""
        self.functions.add_permission(
            FunctionName=arn,
            StatementId=uuid.uuid4().hex,
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            **options,
        )

    def returning(self, reply: Any, **settings: Any) -> str:
        """A function that always replies so."""
        return self.function(
            f"REPLY = {reply!r}\ndef handler(event, context):\n    return REPLY\n", **settings
        )

    def api(self, **settings: Any) -> Api:
        """A new HTTP API without routes and stages."""
        made = self.apis.create_api(Name="test", ProtocolType="HTTP", **settings)
        return Api(self, made["ApiId"], made["ApiEndpoint"])

    def echo(self, *keys: str, version: str = "2.0", **settings: Any) -> Api:
        """An API whose routes answer with the event, on `$default`."""
        api = self.api(**settings)
        integration = api.lambda_integration(self.function(), version=version)
        for key in keys or ("$default",):
            api.route(key, integration)
        api.stage()
        return api


@dataclass
class Api:
    """One API."""

    gateway: Gateway
    id: str
    endpoint: str

    def lambda_integration(self, arn: str, *, version: str = "2.0", **settings: Any) -> str:
        """The id of an integration with a function."""
        made = self.gateway.apis.create_integration(
            ApiId=self.id,
            IntegrationType="AWS_PROXY",
            IntegrationUri=arn,
            PayloadFormatVersion=version,
            **settings,
        )
        return str(made["IntegrationId"])

    def http_integration(self, uri: str, *, method: str = "ANY", **settings: Any) -> str:
        """The id of an integration with a backend."""
        made = self.gateway.apis.create_integration(
            ApiId=self.id,
            IntegrationType="HTTP_PROXY",
            IntegrationUri=uri,
            IntegrationMethod=method,
            PayloadFormatVersion="1.0",
            **settings,
        )
        return str(made["IntegrationId"])

    def route(self, key: str, integration: str, **settings: Any) -> str:
        """The id of a route."""
        made = self.gateway.apis.create_route(
            ApiId=self.id, RouteKey=key, Target=f"integrations/{integration}", **settings
        )
        return str(made["RouteId"])

    def stage(self, name: str = "$default", *, auto_deploy: bool = True, **settings: Any) -> None:
        """A stage, served at once."""
        self.gateway.apis.create_stage(ApiId=self.id, StageName=name, AutoDeploy=auto_deploy, **settings)

    def authorizer(self, **settings: Any) -> str:
        """The id of an authorizer."""
        made = self.gateway.apis.create_authorizer(ApiId=self.id, Name=uuid.uuid4().hex, **settings)
        return str(made["AuthorizerId"])

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
        address = urlsplit(self.endpoint)
        with contextlib.closing(http.client.HTTPConnection(address.netloc, timeout=timeout_s)) as connection:
            return send(connection, f"{address.path}{path}", method, headers, body)

    def journal(self, since: int = 0, kind: str = "gateway.request") -> list[dict[str, Any]]:
        """What the journal has of this API."""
        entries = self.gateway.cloud.journal(since, kind)
        return [entry for entry in entries if f":{self.id}/" in entry["resource"]]


def send(
    connection: http.client.HTTPConnection,
    target: str,
    method: str = "GET",
    headers: Headers | None = None,
    body: bytes | None = None,
) -> Answer:
    """One request on an open connection."""
    pairs = list(headers.items()) if isinstance(headers, dict) else headers or []
    connection.putrequest(method, target, skip_accept_encoding=True)
    framed = {name.lower() for name, _ in pairs} & {"content-length", "transfer-encoding"}
    if body is not None and not framed:
        connection.putheader("Content-Length", str(len(body)))
    for name, value in pairs:
        connection.putheader(name, value)
    connection.endheaders(body)
    response = connection.getresponse()
    return Answer(response.status, response.read(), response.getheaders())


# --- A backend and an issuer ---


class Issuer:
    """Signs tokens as an OpenID Connect provider does; its documents are served by the backend."""

    def __init__(self, base: str) -> None:
        self.url = f"{base}/issuer"
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def token(self, *, key: Any = None, kid: str = "one", **claims: Any) -> str:
        """A token for audience `aud-1`, valid for a minute; a claim of None is left out."""
        now = int(time.time())
        found = {"iss": self.url, "aud": "aud-1", "sub": "me", "iat": now, "exp": now + 60, **claims}
        kept = {name: value for name, value in found.items() if value is not None}
        return jwt.encode(kept, key or self.key, algorithm="RS256", headers={"kid": kid})

    def keys(self) -> dict[str, Any]:
        """The public keys, as JSON has them."""
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}


class Backend:
    """An HTTP server that tells what it was asked; `issuer` has its documents here too."""

    def __init__(self) -> None:
        backend = self
        self.release = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: Any) -> None:
                pass

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                backend.answer(self, self.rfile.read(length))

        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
            setattr(Handler, f"do_{method}", Handler.answer)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.issuer = Issuer(self.url)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def answer(self, request: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        """What comes back: documents of the issuer, special answers, or the request itself."""
        path = request.path.partition("?")[0]
        status, headers, data = 200, [("Content-Type", "application/json"), ("X-Backend", "1")], b""
        if path.endswith("/.well-known/openid-configuration"):
            data = json.dumps({"issuer": self.issuer.url, "jwks_uri": f"{self.url}/keys"}).encode()
        elif path == "/keys":
            data = json.dumps(self.issuer.keys()).encode()
        elif path == "/slow":
            self.release.wait(10)
        elif path == "/teapot":
            status, headers, data = 418, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")], b"\x00\xff"
        elif path == "/redirect":
            status, headers = 302, [("Location", "/elsewhere")]
        else:
            data = json.dumps(
                {
                    "method": request.command,
                    "target": request.path,
                    "headers": request.headers.items(),
                    "body": body.decode("latin-1"),
                }
            ).encode()
        request.send_response_only(status)
        for name, value in headers:
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(data)

    def close(self) -> None:
        """Stop listening."""
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@contextlib.contextmanager
def running_backend() -> Iterator[Backend]:
    """A backend for the tests of one module."""
    backend = Backend()
    yield backend
    backend.close()
