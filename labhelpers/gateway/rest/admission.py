"""Who may pass: resource policy, authorizer, API key, throttles and quota, in AWS's order.

docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html
"""

from __future__ import annotations

from datetime import UTC, datetime

from labhelpers.gateway.authorizer import INVOKE_ACTION, Effect
from labhelpers.gateway.identity import Identity, NotIdentified, masked
from labhelpers.gateway.rest import policy
from labhelpers.gateway.rest.authorizers import CUSTOM, IAM, Authorizers
from labhelpers.gateway.rest.gateway_responses import GatewayError, Kind
from labhelpers.gateway.rest.run import Run
from labhelpers.gateway.rest.settings import Method
from labhelpers.gateway.rest.usage import Client, Usage
from labhelpers.gateway.surroundings import GatewaySurroundings
from labhelpers.gateway.throttle import ACCOUNT
from labhelpers.iam.documents import Policy


class Admission:
    """Checks requests: `identify` is called for those that `asks_who` says it of, then `check_limits` for each."""

    def __init__(self, surroundings: GatewaySurroundings, authorizers: Authorizers, usage: Usage) -> None:
        self._around = surroundings
        self._authorizers = authorizers
        self._usage = usage

    def asks_who(self, run: Run, method: Method) -> bool:
        """Whether it matters who a request is from."""
        return method.authorization != "NONE" or run.program.policy is not None

    async def identify(self, run: Run, method: Method) -> None:
        """Resource policy and authorizer; who the request is from is put into `run`. GatewayError."""
        document = run.program.policy
        if document is None:
            if method.authorization != "NONE":
                await self._authorizers.authorize(run, method)
            if method.authorization == IAM:
                self._ask_iam(run)
        else:
            await self._with_policy(run, method, document)

    async def _with_policy(self, run: Run, method: Method, document: Policy) -> None:
        """AWS: before a function is asked the policy may only refuse; afterwards one of the two must allow.

        Without an authorizer, and beside a Cognito user pool, the policy itself must allow.
        """
        kind = method.authorization
        if kind == CUSTOM:
            effect = self._decide(run, document)
            if effect is Effect.EXPLICIT_DENY:
                raise self._refused(run, effect)
            await self._authorizers.authorize(run, method, policy_allows=effect is Effect.ALLOW)
            return
        if kind != "NONE":
            await self._authorizers.authorize(run, method)
        effect = self._decide(run, document)
        if effect is Effect.EXPLICIT_DENY or (effect is not Effect.ALLOW and kind != IAM):
            raise self._refused(run, effect)
        if kind == IAM:
            self._ask_iam(run, document)

    def _ask_iam(self, run: Run, document: Policy | None = None) -> None:
        """The caller's own policies must allow the method, or the API's must name the caller."""
        told = run.identity
        who = Identity(told["accessKey"], told["accountId"], told["userArn"], told["user"])
        if why := self._around.may_call(who, INVOKE_ACTION, run.method_arn, document, {}):
            raise GatewayError(
                Kind.ACCESS_DENIED,
                f"User: {who.user_arn} is not authorized to perform: {INVOKE_ACTION} on "
                f"resource: {masked(run.method_arn, run.account.id)} {why}",
            )

    def _decide(self, run: Run, document: Policy) -> Effect:
        caller, now = self._caller(run), self._around.clock.now()
        context = {
            "aws:sourceip": [run.request.source_ip],
            "aws:securetransport": ["true"],  # AWS: requests always come by TLS.
            "aws:currenttime": [datetime.fromtimestamp(now, UTC).isoformat()],
            "aws:epochtime": [str(int(now))],
        }
        for key, name in (("aws:useragent", "user-agent"), ("aws:referer", "referer")):
            if value := run.request.header(name):
                context[key] = [value]
        if caller:
            context |= {"aws:principalarn": [caller], "aws:principalaccount": [caller.split(":")[4]]}
        return policy.decide(document, caller, run.method_arn, context)

    def _caller(self, run: Run) -> str:
        known = str(run.identity.get("userArn") or "")
        if known or not run.request.header("authorization"):
            return known
        try:
            return self._around.identify(run.request).user_arn
        except NotIdentified:
            return ""

    def _refused(self, run: Run, effect: Effect) -> GatewayError:
        shown = masked(run.method_arn, run.account.id)
        more = " with an explicit deny" if effect is Effect.EXPLICIT_DENY else ""
        return GatewayError(
            Kind.ACCESS_DENIED,
            f"User: {self._caller(run) or 'anonymous'} is not authorized to perform: execute-api:Invoke on "
            f"resource: {shown}{more}",
        )

    # --- API key, throttles, quota ---

    def check_limits(self, run: Run, method: Method) -> None:
        """The key, the throttles in AWS's order (client, method, account), then the quota. GatewayError."""
        client = self._client(run, method) if method.api_key_required else None
        throttles, settings = self._around.throttles, run.settings
        if settings is not None and settings.throttle is not None:
            key = (run.api_id, run.stage, method.resource_path, method.name)
            if not throttles.admits(key, settings.throttle):
                raise _throttled("The method's throttle exceeded")
        if not throttles.admits("account", ACCOUNT):
            raise _throttled("The account's throttle exceeded")
        if client is not None and not self._usage.take(client):
            raise GatewayError(
                Kind.QUOTA_EXCEEDED,
                "Limit Exceeded",
                log="Usage Plan check failed because the quota of the API key is used up",
            )

    def _client(self, run: Run, method: Method) -> Client:
        if run.program.api_key_source == "HEADER":
            run.api_key = run.first("x-api-key") or ""
        client = self._usage.find(run.api_key, run.api_id, run.stage) if run.api_key else None
        if client is None:
            run.api_key = ""
            raise GatewayError(
                Kind.INVALID_API_KEY,
                "Forbidden",
                log="API Key is not authorized because it is missing, not enabled, or in no plan of the stage",
            )
        run.api_key_id = client.key_id
        path = f"{method.resource_path}/{run.request.method}"
        if not self._usage.admits(client, run.api_id, run.stage, path):
            raise _throttled("Usage plan's throttle exceeded")
        return client


def _throttled(log: str) -> GatewayError:
    return GatewayError(Kind.THROTTLED, "Too Many Requests", log=log)
