"""Who is who: IAM's users, roles and keys in moto, and the answers of STS.

Runs on moto's thread, but for the lookups, which only read. moto's STS hands out the same printed example keys to
everybody; the ones from here sign requests that this cloud accepts.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs

from labhelpers.cloud import moto_bridge_simulation
from labhelpers.cloud.credentials import LEARNER, Keys
from labhelpers.cloud.moto_bridge_policies import PolicyReader
from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.errors import AwsError
from labhelpers.iam.documents import Request, read_policy
from labhelpers.iam.evaluation import Policies, decide
from labhelpers.iam.principals import Principal
from labhelpers.model import Account, Credentials

FUNCTION_ROLE = "lab-function-role"
_BASIC_EXECUTION = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["lambda.amazonaws.com", "scheduler.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ],
}
_ROLE_ARN = re.compile(r"arn:aws:iam::(?P<account>\d{12}):role/(?:.*/)?(?P<name>[\w+=,.@-]+)")
_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


class Identities:
    """moto's IAM and STS of one account, with a user for the learner and a role for functions ready in it."""

    def __init__(self, account: Account, keys: Keys) -> None:
        self._account = account
        self._keys = keys
        self._iam: Any = None
        self.policies = PolicyReader(account)
        self._managed_policies_loaded = False

    @property
    def function_role_arn(self) -> str:
        """The ARN of the role that is there from the start, for functions."""
        return f"arn:aws:iam::{self._account.id}:role/{FUNCTION_ROLE}"

    def load(self) -> None:
        """Make the learner's user and the functions' role. Call once moto may be imported."""
        models: Any = import_module("moto.iam.models")
        iam = models.iam_backends[self._account.id]["aws"]
        learner = iam.create_user(self._account.region, LEARNER, path="/")
        learner.id = _made_up_id("AIDA", self._keys.lab.access_key_id)
        iam.create_role(
            role_name=FUNCTION_ROLE,
            assume_role_policy_document=json.dumps(_TRUST),
            path="/",
            permissions_boundary=None,
            description="Made by the lab, for functions that need nothing but logs",
            tags=[],
            max_session_duration="3600",
        )
        self._iam = self.policies.iam = iam

    def load_managed_policies(self) -> None:
        """Put AWS's own policies in place: they take memory, so only once somebody calls IAM."""
        if self._managed_policies_loaded:
            return
        self._managed_policies_loaded = True
        models: Any = import_module("moto.iam.models")
        for name, data in json.loads(models.aws_managed_policies_data).items():
            policy = models.AWSManagedPolicy.from_data(name, self._account.id, "us-east-1", data)
            self._iam.aws_managed_policies.append(policy)
            self._iam.managed_policies[policy.arn] = policy
        self._iam.attach_role_policy(_BASIC_EXECUTION, FUNCTION_ROLE)

    # --- Lookups: plain reads, on any thread ---

    def find_key(self, access_key_id: str) -> Credentials | None:
        """Keys that IAM's CreateAccessKey or STS's AssumeRole made; None for unknown, inactive or expired ones."""
        if self._iam is None:
            return None
        for user in list(self._iam.users.values()):
            for key in list(user.access_keys):
                if key.access_key_id == access_key_id and key.status == "Active":
                    return Credentials(access_key_id, key.secret_access_key, user.arn)
        models: Any = import_module("moto.sts.models")
        for role in list(models.sts_backends[self._account.id]["aws"].assumed_roles):
            if (
                role.access_key_id == access_key_id
                and role.expiration.replace(tzinfo=UTC).timestamp() > time.time()
            ):
                return Credentials(access_key_id, role.secret_access_key, role.arn, role.session_token)
        return None

    def role_exists(self, arn: str) -> bool:
        """Whether IAM has a role of that ARN."""
        found = _ROLE_ARN.fullmatch(arn)
        if found is None or self._iam is None:
            return False
        return any(role.arn == arn for role in list(self._iam.roles.values()))

    def trusts(self, arn: str, service: str) -> bool:
        """Whether IAM has a role of that ARN which lets `service` ("lambda.amazonaws.com") take it on."""
        if self._iam is None:
            return arn == self.function_role_arn
        role = self.policies.role(arn.rpartition("/")[2])
        if role.trust is None or role.arn != arn:
            return False
        return decide(
            Request(Principal.of(service), "sts:AssumeRole", arn), Policies(resource=role.trust)
        ).allowed

    def unique_id(self, principal: str) -> str:
        """IAM's unique id of a principal: AIDA... for a user, AROA...:session for a session of a role."""
        kind, _, rest = principal.rpartition(":")[2].partition("/")
        if kind == "assumed-role":
            role_name, _, session = rest.partition("/")
            role = (
                next((r for r in list(self._iam.roles.values()) if r.name == role_name), None)
                if self._iam
                else None
            )
            return f"{role.id if role else _made_up_id('AROA', role_name)}:{session}"
        if kind == "user":
            user = self._iam.users.get(rest.rpartition("/")[2]) if self._iam else None
            return str(user.id) if user else _made_up_id("AIDA", rest)
        return self._account.id

    # --- IAM and STS ---

    def iam(self, operation: str, request: AwsRequest) -> AwsResponse | None:
        """IAM's answer where it is made here; None where moto's is right."""
        self.load_managed_policies()
        if operation in moto_bridge_simulation.OPERATIONS:
            return moto_bridge_simulation.answer(self.policies, operation, request)
        moto_bridge_simulation.check_document(request.body)
        return None

    def sts(self, operation: str, request: AwsRequest) -> AwsResponse | None:
        """STS's answer where it is made here; None where moto's is right."""
        answer = _ANSWERS.get(operation)
        if answer is None:
            return None
        fields = {
            name: values[0] for name, values in parse_qs(request.body.decode() or request.query).items()
        }
        result = answer(self, fields, request)
        if result is None:
            return None
        body = (
            f'<{operation}Response xmlns="{_NAMESPACE}"><{operation}Result>{result}</{operation}Result>'
            f"<ResponseMetadata><RequestId>{request.request_id}</RequestId></ResponseMetadata></{operation}Response>"
        )
        return AwsResponse(200, {"Content-Type": "text/xml"}, body.encode())

    def _caller_identity(self, fields: dict[str, str], request: AwsRequest) -> str:
        arn = _principal(request)
        return _xml({"UserId": self.unique_id(arn), "Account": self._account.id, "Arn": arn})

    def _session_token(self, fields: dict[str, str], request: AwsRequest) -> str:
        return self._credentials(_principal(request), int(fields.get("DurationSeconds", "43200")))[1]

    def _federation_token(self, fields: dict[str, str], request: AwsRequest) -> str:
        name = fields.get("Name", "")
        arn = f"arn:aws:sts::{self._account.id}:federated-user/{name}"
        user = _xml({"FederatedUserId": f"{self._account.id}:{name}", "Arn": arn})
        try:
            policy = read_policy(fields["Policy"]) if fields.get("Policy") else None
        except ValueError as error:
            raise AwsError(
                "MalformedPolicyDocument", f"The policy is not in the valid JSON format: {error}"
            ) from error
        key, made = self._credentials(arn, int(fields.get("DurationSeconds", "43200")))
        self.policies.federated[key] = (_principal(request), policy)
        return f"{made}<FederatedUser>{user}</FederatedUser><PackedPolicySize>0</PackedPolicySize>"

    def _assume_role(self, fields: dict[str, str], request: AwsRequest) -> None:
        """moto makes good keys, but for any role whatever."""
        arn = fields.get("RoleArn", "")
        if arn and not self.role_exists(arn):
            raise AwsError(
                "AccessDenied",
                f"User: {_principal(request)} is not authorized to perform: sts:AssumeRole on resource: {arn}",
                403,
            )

    def _credentials(self, principal: str, duration_s: int) -> tuple[str, str]:
        """The id of keys for `principal`, and the keys as STS writes them."""
        made = self._keys.mint(principal, time.time() + duration_s)
        ends = datetime.fromtimestamp(time.time() + duration_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        parts = {
            "AccessKeyId": made.access_key_id,
            "SecretAccessKey": made.secret_access_key,
            "SessionToken": made.token,
            "Expiration": ends,
        }
        return made.access_key_id, f"<Credentials>{_xml(parts)}</Credentials>"


_ANSWERS: dict[str, Callable[[Identities, dict[str, str], AwsRequest], str | None]] = {
    "GetCallerIdentity": Identities._caller_identity,
    "GetSessionToken": Identities._session_token,
    "GetFederationToken": Identities._federation_token,
    "AssumeRole": Identities._assume_role,
}


def _principal(request: AwsRequest) -> str:
    return request.credentials.principal if request.credentials else ""


def _xml(parts: dict[str, str]) -> str:
    return "".join(f"<{name}>{escape(text, quote=False)}</{name}>" for name, text in parts.items())


def _made_up_id(prefix: str, name: str) -> str:
    return prefix + hashlib.sha256(name.encode()).hexdigest()[:17].upper()
