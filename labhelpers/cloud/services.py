"""The AWS services that this cloud offers, how each is addressed, and what is refused by name.

A request names its service in its signature's scope; what is not in the table here is refused, never half answered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from labhelpers.cloud.protocol import Form
from labhelpers.errors import NotEmulated


@dataclass(frozen=True, slots=True)
class Service:
    """One AWS service. `name` is boto3's, `moto` the package of moto that keeps its state ("" where we do it all).

    `signing_name` is what its signatures are scoped to; `targets` the prefix of X-Amz-Target in the JSON protocols;
    `version` that of the JSON protocol. `query_compatible`: it once spoke the query protocol, and keeps its codes.
    """

    name: str
    form: Form
    signing_name: str = ""
    moto: str = ""
    host: str = ""
    targets: str = ""
    version: str = "1.1"
    query_compatible: bool = False

    def address(self, region: str) -> str:
        """The host name that AWS gives this service in a region."""
        return (self.host or f"{self.signing_name}.{{region}}.amazonaws.com").format(region=region)


def _json(
    name: str, targets: str, *, moto: str = "", signing_name: str = "", host: str = "", version: str = "1.1"
) -> Service:
    return Service(name, Form.JSON, signing_name or name, moto or name, host, targets, version)


def _query(name: str, *, host: str = "") -> Service:
    return Service(name, Form.QUERY, name, name, host)


def _rest(name: str, *, moto: str = "", signing_name: str = "") -> Service:
    return Service(name, Form.REST_JSON, signing_name or name, moto or name)


SERVICES: Mapping[str, Service] = {
    service.name: service
    for service in (
        Service("s3", Form.S3, "s3", "s3"),
        Service("lambda", Form.REST_JSON, "lambda"),
        _query("rds"),
        _query("iam", host="iam.amazonaws.com"),
        _query("sts"),
        _query("sns"),
        Service("sqs", Form.JSON, "sqs", "sqs", targets="AmazonSQS", version="1.0", query_compatible=True),
        Service(
            "cloudwatch",
            Form.JSON,
            "monitoring",
            "cloudwatch",
            targets="GraniteServiceVersion20100801",
            version="1.0",
            query_compatible=True,
        ),
        _json("logs", "Logs_20140328"),
        _json("dynamodb", "DynamoDB_20120810", version="1.0"),
        _json(
            "dynamodbstreams",
            "DynamoDBStreams_20120810",
            signing_name="dynamodb",
            host="streams.dynamodb.{region}.amazonaws.com",
            version="1.0",
        ),
        _json("kinesis", "Kinesis_20131202"),
        _json("events", "AWSEvents"),
        _json("cognito-idp", "AWSCognitoIdentityProviderService", moto="cognitoidp"),
        _json("secretsmanager", "secretsmanager"),
        _json("ssm", "AmazonSSM"),
        _json("kms", "TrentService"),
        Service("scheduler", Form.REST_JSON, "scheduler"),
        Service("xray", Form.REST_JSON, "xray"),
        _rest("apigateway"),
        _rest("apigatewayv2", signing_name="apigateway"),
    )
}

_BY_SIGNING_NAME: Mapping[str, Service] = {s.signing_name: s for s in reversed(tuple(SERVICES.values()))}
_BY_TARGET: Mapping[str, Service] = {s.targets: s for s in SERVICES.values() if s.targets}

# AWS lets anybody call these: the caller has no keys yet. (botocore's models mark them `authtype: none`.)
_OPEN_COGNITO = """
AssociateSoftwareToken ChangePassword CompleteWebAuthnRegistration ConfirmDevice ConfirmForgotPassword
ConfirmSignUp DeleteUser DeleteUserAttributes DeleteWebAuthnCredential ForgetDevice ForgotPassword GetDevice
GetTokensFromRefreshToken GetUser GetUserAttributeVerificationCode GetUserAuthFactors GlobalSignOut
InitiateAuth ListDevices ListUserSessions ListWebAuthnCredentials ResendConfirmationCode
RespondToAuthChallenge RevokeToken RevokeUserSession SetUserMFAPreference SetUserSettings SignUp
StartWebAuthnRegistration UpdateAuthEventFeedback UpdateDeviceStatus UpdateUserAttributes VerifySoftwareToken
VerifyUserAttribute
"""
_OPEN = {
    "cognito-idp": frozenset(_OPEN_COGNITO.split()),
    "sts": frozenset({"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"}),
}
_POOL_DOCUMENT = re.compile(
    r"/(?P<region>[a-z0-9-]+)_[A-Za-z0-9]+/\.well-known/(jwks\.json|openid-configuration)"
)
_ACTION = re.compile(r"(?:^|&)Action=(\w+)")


def find(signing_name: str, target: str, path: str) -> Service:
    """The service that a signed request is for. NotEmulated if this cloud has none of that name.

    `target` is the X-Amz-Target header ("" if none): it tells services apart that sign under one name.
    """
    service = by_target(target)
    if service and service.signing_name == signing_name:
        return service
    if signing_name == "apigateway" and path.startswith("/v2/"):
        return SERVICES["apigatewayv2"]
    try:
        return _BY_SIGNING_NAME[signing_name]
    except KeyError:
        raise NotEmulated(f"the service {signing_name!r}") from None


def by_target(target: str) -> Service | None:
    """The service that an X-Amz-Target header names; None if it names none of this cloud."""
    return _BY_TARGET.get(target.partition(".")[0]) if target else None


def open_operation(method: str, path: str, target: str, body: bytes, query: str = "") -> Service | None:
    """The service of a call that AWS answers without a signature; None for every other call."""
    prefix, _, operation = target.partition(".")
    cognito = SERVICES["cognito-idp"]
    if prefix == cognito.targets and operation in _OPEN["cognito-idp"]:
        return cognito
    if method == "GET" and _POOL_DOCUMENT.fullmatch(path):
        return cognito
    if path == "/" and method == "GET" and (found := _ACTION.search(query)) and found[1] == "Unsubscribe":
        return SERVICES["sns"]  # The link in each message that SNS sends.
    if path == "/" and (found := _ACTION.search(body[:4096].decode("latin-1"))) and found[1] in _OPEN["sts"]:
        return SERVICES["sts"]
    return None


def guess_form(target: str, content_type: str, smithy_protocol: str, path: str) -> Form:
    """How to word an error to a caller whose service is unknown (it did not sign)."""
    if smithy_protocol == "rpc-v2-cbor":
        return Form.CBOR
    if target:
        return Form.JSON
    if content_type.startswith("application/x-www-form-urlencoded") and path == "/":
        return Form.QUERY
    if re.match(r"/(20\d\d-\d\d-\d\d|restapis|v2|apikeys|usageplans|schedules|schedule-groups)(/|$)", path):
        return Form.REST_JSON
    return Form.S3


def operation_of(service: Service, target: str, query: str, body: bytes) -> str:
    """The operation's name where the request says it (JSON and query protocols); "" in the REST ones."""
    if target:
        return target.rpartition(".")[2]
    if service.form in (Form.QUERY, Form.JSON):
        found = _ACTION.search(query) or _ACTION.search(body[:100_000].decode("latin-1"))
        return found[1] if found else ""
    return ""
