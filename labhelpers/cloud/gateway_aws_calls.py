"""Calls of AWS services by REST APIs' integrations: into the services that boto3 reaches, without the network.

API Gateway signs such calls with an integration's role. So does the lab where IAM decides (`guard`); elsewhere, and
for an integration without a role, its own user makes them, who may do everything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from multidict import CIMultiDict

from labhelpers.cloud import query_json, query_requests, services
from labhelpers.cloud.credentials import Keys
from labhelpers.cloud.front_door import Guard
from labhelpers.cloud.protocol import AwsRequest, AwsResponse, Form, error_response, new_request_id
from labhelpers.cloud.services import SERVICES, Service
from labhelpers.errors import AwsError
from labhelpers.model import Account, Credentials

Handle = Callable[[AwsRequest], Awaitable[AwsResponse]]
# What an integration's URI calls a service, and boto3's name for it.
_NAMES = {"states": "stepfunctions", "monitoring": "cloudwatch"}


class AwsCalls:
    """Calls services by name. `handlers` answer their own, `bridge` all others."""

    def __init__(
        self,
        account: Account,
        keys: Keys,
        bridge: Handle,
        handlers: Mapping[str, Handle],
        endpoint_url: Callable[[], str],
    ) -> None:
        self._account = account
        self._keys = keys
        self._bridge = bridge
        self._handlers = handlers
        self._endpoint_url = endpoint_url
        self.guard: Guard | None = None
        self._sessions: dict[str, Credentials] = {}

    async def __call__(
        self,
        service: str,
        region: str,
        method: str,
        path: str,
        query: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        *,
        action: str = "",
        role: str = "",
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of the answer; an error is worded as the service words it."""
        request_id = new_request_id()
        form, name = Form.JSON, service
        asked = None
        if service in query_requests.SERVICES:
            asked, query, headers, body = _from_query(service, action, query, headers, body)
            if asked is not None:
                action, path = asked, "/"
        try:
            known = _service(service)
            form, name = known.form, known.name
            request = self._request(known, region, method, path, query, headers, body, action, request_id)
            handle = self._handlers.get(known.name, self._bridge)
            if self.guard is not None and ":role/" in role:
                request = replace(request, credentials=self._session(role))
                answer = await self.guard(known, request, handle)
            else:
                answer = await handle(request)
        except AwsError as error:
            answer = error_response(error, form, request_id)
        answer_headers, answer_body = {**answer.headers, "x-amzn-RequestId": request_id}, answer.body
        is_xml = form is not Form.S3 and answer_body.startswith(b"<")
        made = query_json.as_json(name, answer_body) if is_xml and _accepts_json(headers) else None
        if made is not None:
            answer_headers = {n: v for n, v in answer_headers.items() if n.lower() != "content-type"}
            answer_headers["Content-Type"], answer_body = "application/json", made
        if asked is not None:
            answer_body = query_requests.answer(service, asked, answer.status, answer_body, request_id)
            answer_headers["Content-Type"] = "application/json"
        return answer.status, answer_headers, answer_body

    def _session(self, role: str) -> Credentials:
        """The keys of API Gateway's session of a role."""
        if role not in self._sessions:
            self._sessions[role] = self._keys.mint_role_credentials(role, "BackplaneAssumeRoleSession")
        return self._sessions[role]

    def _request(
        self,
        service: Service,
        region: str,
        method: str,
        path: str,
        query: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        action: str,
        request_id: str,
    ) -> AwsRequest:
        sent: CIMultiDict[str] = CIMultiDict(headers)
        if action and service.form in (Form.JSON, Form.CBOR):
            if _wants_query(service, sent, body):
                # AWS: SQS's actions are called in its old protocol, with a form.
                sent.pop("X-Amz-Target", None)
            else:
                sent.setdefault("X-Amz-Target", f"{service.targets}.{action}")
                sent["Content-Type"] = f"application/x-amz-json-{service.version}"
        if action and "X-Amz-Target" not in sent and "Action=" not in query:
            query = f"{query}&Action={action}" if query else f"Action={action}"
        sent["Host"] = service.address(region)
        return AwsRequest(
            method,
            path,
            query,
            sent,
            body,
            self._keys.lab,
            service.signing_name,
            region,
            "127.0.0.1",
            request_id,
            self._endpoint_url().partition("//")[2],
        )


def _from_query(
    service: str, action: str, query: str, headers: Sequence[tuple[str, str]], body: bytes
) -> tuple[str | None, str, Sequence[tuple[str, str]], bytes]:
    """A request in the query protocol as one in JSON: its action (None if it is none), query, headers and body."""
    kind = next((value for name, value in headers if name.lower() == "content-type"), "")
    whole = query if not action or "Action=" in query else f"Action={action}&{query}"
    asked = query_requests.read(whole, body, is_form=kind.startswith("application/x-www-form-urlencoded"))
    made = query_requests.as_json(service, asked) if asked is not None else None
    if asked is None or made is None:
        return None, query, headers, body
    kept = [pair for pair in headers if pair[0].lower() != "content-type"]
    return asked["Action"], "", kept, made


def _service(name: str) -> Service:
    found = SERVICES.get(_NAMES.get(name, name))
    return found if found is not None else services.find(name, "", "")


def _accepts_json(headers: Sequence[tuple[str, str]]) -> bool:
    """Whether JSON is what the caller asks for first: API Gateway does, unless a mapping says otherwise."""
    accept = next((value for name, value in headers if name.lower() == "accept"), "")
    return accept.partition(",")[0].partition(";")[0].strip().lower() == "application/json"


def _wants_query(service: Service, headers: CIMultiDict[str], body: bytes) -> bool:
    kind = headers.get("Content-Type", "")
    return service.query_compatible and (kind.startswith("application/x-www-form-urlencoded") or not body)
