"""IAM at the front door: every call of a role or of a user that the learner made is decided by its policies.

Made by `application` where a lab is started with `iam=True`; then the front door hands it each call, Lambda asks it for
execution roles, and gateways for callers of methods with IAM authorization. Its rules:
- The learner's own keys, and the lab's, may do everything.
- All that a call asks for must be allowed; the first refusal is the answer, in the words of the service.
- A refusal is a journal entry, `iam.denied`, with the next step. What is allowed is only counted.
- Changes count at once (AWS: within seconds): whatever changes a policy clears what was kept of decisions.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from html import escape
from typing import Any

from multidict import CIMultiDict

from labhelpers.clock import Clock
from labhelpers.cloud import permissions_actions, permissions_context, permissions_s3, permissions_wording
from labhelpers.cloud.permissions_asks import Ask, read_fields
from labhelpers.cloud.permissions_callers import Callers, KnownCaller
from labhelpers.cloud.permissions_resources import Resources
from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.cloud.s3_operations import S3Call, read_call
from labhelpers.cloud.services import Service, operation_of
from labhelpers.errors import AwsError
from labhelpers.gateway.identity import Identity
from labhelpers.iam.documents import Policy, Request
from labhelpers.iam.evaluation import Decision, Policies, decide
from labhelpers.iam.patterns import Context
from labhelpers.journal import Journal
from labhelpers.model import Account

Handle = Callable[[AwsRequest], Awaitable[AwsResponse]]

_MISSING_OBJECT = ("GetObject", "HeadObject", "GetObjectTagging", "GetObjectAttributes", "GetObjectAcl")
_READS = ("Get", "List", "Simulate", "Generate")


class Permissions:
    """Decides calls. `allowed` counts those that it let through."""

    def __init__(
        self, account: Account, callers: Callers, resources: Resources, journal: Journal, clock: Clock
    ) -> None:
        self.allowed = 0
        self.on_change: list[Callable[[], None]] = []
        self._account = account
        self._callers = callers
        self._resources = resources
        self._journal = journal
        self._clock = clock
        self._told: set[tuple[str, str, str]] = set()

    # --- Calls at the front door ---

    async def answer(self, service: Service, request: AwsRequest, handle: Handle) -> AwsResponse:
        """What `handle` answers to a call, if its caller may make it. AwsError as the service refuses it."""
        operation = operation_of(
            service, request.headers.get("X-Amz-Target", ""), request.query, request.body
        )
        credentials = request.credentials
        if operation == "AssumeRole" and service.name == "sts":
            await self._check_assume_role(service, request)
            answer = await handle(request)
        elif credentials is None or self._callers.is_owner(credentials.principal):
            answer = await handle(request)
        elif service.name == "s3":
            answer = await self._s3(service, request, handle)
        else:
            caller = self._callers.find(credentials)
            for ask in permissions_actions.asks(service, request, self._account):
                await self._require(service, caller, ask, request)
            await self._check_passed_roles(service, caller, request)
            answer = await handle(request)
        self._notice(service, operation, request)
        return answer

    async def _require(self, service: Service, caller: KnownCaller, ask: Ask, request: AwsRequest) -> None:
        if ask.action in permissions_actions.FREE:
            return
        ask = await self._resources.with_arn(service.name, self._with_path(ask))
        decision = await self._decide(service, caller, ask, request)
        if not decision.allowed:
            raise self._refused(service, caller, ask, decision, request.request_id)

    async def _decide(self, service: Service, caller: KnownCaller, ask: Ask, request: AwsRequest) -> Decision:
        resource = await self._resources.policy_of(service.name, ask.resource)
        kept = (ask.action, ask.resource, id(resource))
        if (found := caller.decided.get(kept)) is not None:
            self.allowed += found.allowed
            return found
        plain = caller.plain and (resource is None or permissions_context.is_plain((resource,)))
        context = {} if plain else await self._context(service, caller, ask, request, resource)
        decision = self._evaluate(caller, ask, context, resource, decides=service.name == "kms")
        if plain and service.name != "lambda":  # A function's policy is read anew each time.
            caller.keep(kept, decision)
        self.allowed += decision.allowed
        return decision

    def _evaluate(
        self,
        caller: KnownCaller,
        ask: Ask,
        context: Mapping[str, Any],
        resource: Policy | None,
        *,
        decides: bool = False,
    ) -> Decision:
        holder = caller.holder
        return decide(
            Request(caller.principal, ask.action, ask.resource, context),
            Policies(
                holder.policies,
                resource,
                holder.boundary,
                caller.session,
                resource_decides=decides and resource is not None,
            ),
        )

    async def _context(
        self,
        service: Service,
        caller: KnownCaller,
        ask: Ask,
        request: AwsRequest,
        resource: Policy | None,
    ) -> dict[str, Any]:
        now = self._clock.now()
        context = {
            **caller.context,
            **permissions_context.of_request(request.region, request.source_ip, request.headers, now),
            **ask.context,
        }
        keys = caller.keys | (permissions_context.keys_of((resource,)) if resource else frozenset())
        if service.name != "s3":
            fields = read_fields(request)
            context |= permissions_context.of_tags(fields)
            if any(key.startswith("dynamodb:") for key in keys) and ":table/" in ask.resource:
                table = ask.resource.partition(":table/")[2].partition("/")[0]
                key = await self._resources.partition_key(table)
                operation = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
                context |= permissions_context.of_items(operation, fields, table, key)
        return context

    async def _check_passed_roles(self, service: Service, caller: KnownCaller, request: AwsRequest) -> None:
        if service.name not in _PASSING:
            return
        for role, to in permissions_actions.passed_roles(service.name, read_fields(request)):
            ask = Ask("iam:PassRole", role, {"iam:passedtoservice": [to]})
            await self._require(service, caller, ask, request)

    def _with_path(self, ask: Ask) -> Ask:
        """IAM's calls name roles and users without the path that is in their ARNs."""
        if not ask.shown.startswith(("role ", "user ")):
            return ask
        kind, _, name = ask.shown.partition(" ")
        arn = self._callers.arn_of(kind, name)
        return ask.on(arn, ask.shown) if arn else ask

    # --- STS ---

    async def _check_assume_role(self, service: Service, request: AwsRequest) -> None:
        """AWS: the role's trust policy must name the caller, or their account and then their own policies, too."""
        credentials = request.credentials
        if credentials is None:
            return
        ask = permissions_actions.asks(service, request, self._account)[0]
        trust = self._callers.trust_of(ask.resource)
        if trust is None:
            return  # There is no such role, and STS says so.
        caller = self._callers.find(credentials)
        context = await self._context(service, caller, ask, request, trust)
        decision = self._evaluate(caller, ask, context, trust, decides=True)
        if not decision.allowed:
            raise self._refused(service, caller, ask, decision, request.request_id)

    # --- S3 ---

    async def _s3(self, service: Service, request: AwsRequest, handle: Handle) -> AwsResponse:
        assert request.credentials is not None, "calls without keys are nobody's"
        caller = self._callers.find(request.credentials)
        call = read_call(request.method, request.path, request.query, request.headers)
        refused: dict[str, AwsError] = {}
        for ask in permissions_s3.asks(call, request):
            try:
                await self._require(service, caller, ask, request)
            except AwsError as error:
                if not ask.item:
                    raise
                refused[ask.item] = error
        if refused:
            return await _delete_the_rest(request, refused, handle)
        try:
            answer = await handle(request)
        except AwsError as error:
            if error.status == 404:
                await self._hide(service, caller, call, request)
            raise
        if answer.status == 404:
            await self._hide(service, caller, call, request)
        return answer

    async def _hide(self, service: Service, caller: KnownCaller, call: S3Call, request: AwsRequest) -> None:
        """AWS: whether an object exists is for those to know who may list its bucket; others are refused.

        docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html (Permissions)
        """
        if call.operation in _MISSING_OBJECT and call.key:
            await self._require(service, caller, Ask("s3:ListBucket", f"arn:aws:s3:::{call.bucket}"), request)

    # --- Execution roles, and callers of gateways ---

    def role_allows(self, role_arn: str, action: str, resource: str) -> bool:
        """Whether a role's own policies allow an action that Lambda takes for a function. Never waits."""
        caller = self._callers.role_session(role_arn)
        ask = Ask(action, resource)
        kept = (action, resource, 0)
        decision = caller.decided.get(kept)
        if decision is None:
            now = self._clock.now()
            context = {
                **caller.context,
                **permissions_context.of_request(self._account.region, "127.0.0.1", {}, now),
            }
            decision = self._evaluate(caller, ask, context, None)
            if caller.plain:
                caller.keep(kept, decision)
        if not decision.allowed and (role_arn, action, resource) not in self._told:
            self._told.add((role_arn, action, resource))
            self._note(caller, ask, decision, "")
        return decision.allowed

    def may_call(
        self, who: Identity, action: str, resource: str, policy: Policy | None, context: Context
    ) -> str:
        """Why a caller of a gateway may not, as AWS's messages end; "" if they may. See `gateway.identity.MayCall`."""
        if self._callers.is_owner(who.user_arn):
            return ""
        caller = self._callers.by_arn(who.user_arn, who.access_key)
        kept = (action, resource, 0)
        decision = caller.decided.get(kept) if policy is None else None
        if decision is None:
            now = self._clock.now()
            known = {
                **caller.context,
                **permissions_context.of_request(self._account.region, "127.0.0.1", {}, now),
                **context,
            }
            decision = self._evaluate(caller, Ask(action, resource), known, policy)
            if caller.plain and policy is None:
                caller.keep(kept, decision)
        if not decision.allowed:
            self._note(caller, Ask(action, resource), decision, "")
        return decision.reason.format(action=action)

    # --- What comes of it ---

    def _refused(
        self, service: Service, caller: KnownCaller, ask: Ask, decision: Decision, request_id: str
    ) -> AwsError:
        self._note(caller, ask, decision, request_id)
        return permissions_wording.refusal(service, caller.principal.arn, ask, decision)

    def _note(self, caller: KnownCaller, ask: Ask, decision: Decision, request_id: str) -> None:
        holder = caller.holder.arn or caller.principal.arn
        step = permissions_wording.next_step(ask, decision, holder)
        unfilled = [key for key in caller.keys if key.startswith(permissions_context.NOT_FILLED)]
        if unfilled:
            step += f" (the lab has no value for {', '.join(sorted(unfilled))})"
        self._journal.append(
            "iam.denied",
            ask.resource,
            request_id=request_id,
            action=ask.action,
            principal=caller.principal.arn,
            why=decision.reason.format(action=ask.action),
            policy=decision.policy,
            next_step=step,
        )

    def _notice(self, service: Service, operation: str, request: AwsRequest) -> None:
        """Forget decisions that this call may have changed."""
        if service.name == "iam":
            if not operation.startswith(_READS):
                self.forget()
        elif service.name == "s3":
            if _changes_bucket(request):
                self._resources.notice("s3", "Policy")
        else:
            self._resources.notice(service.name, operation)

    def forget(self) -> None:
        """Something in IAM has changed: decide everything anew."""
        self._callers.forget()
        self._told.clear()
        for listener in self.on_change:
            listener()


_PASSING = frozenset({"lambda", "events", "scheduler", "apigateway", "apigatewayv2", "logs"})


def _changes_bucket(request: AwsRequest) -> bool:
    """Whether a call of S3 makes, deletes or changes a bucket, and so perhaps its policy."""
    return request.method in ("PUT", "DELETE") and "/" not in request.path.strip("/")


async def _delete_the_rest(
    request: AwsRequest, refused: Mapping[str, AwsError], handle: Handle
) -> AwsResponse:
    """DeleteObjects of the keys that may be deleted; the answer tells of each."""
    body = permissions_s3.without_objects(request.body, frozenset(refused))
    errors = "".join(
        f"<Error><Key>{escape(key, quote=False)}</Key><Code>{error.code}</Code>"
        f"<Message>{escape(error.message, quote=False)}</Message></Error>"
        for key, error in refused.items()
    )
    if permissions_s3.objects_to_delete(body):
        headers = {
            name: value for name, value in request.headers.items() if name.lower() not in _OF_THE_WHOLE_BODY
        }
        answer = await handle(
            replace(request, body=body, headers=CIMultiDict({**headers, "Content-Length": str(len(body))}))
        )
    else:
        empty = '<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></DeleteResult>'
        answer = AwsResponse(200, {"Content-Type": "application/xml"}, empty.encode())
    if answer.status != 200:
        return answer
    text = answer.body.decode()
    text = re.sub(r"<DeleteResult([^>]*)/>", r"<DeleteResult\1></DeleteResult>", text)
    return replace(answer, body=text.replace("</DeleteResult>", f"{errors}</DeleteResult>").encode())


_OF_THE_WHOLE_BODY = frozenset(
    {
        "content-md5",
        "content-length",
        "x-amz-checksum-crc32",
        "x-amz-checksum-crc32c",
        "x-amz-checksum-crc64nvme",
        "x-amz-checksum-sha1",
        "x-amz-checksum-sha256",
        "x-amz-sdk-checksum-algorithm",
    }
)
