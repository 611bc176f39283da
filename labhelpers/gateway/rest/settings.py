"""What the data plane of REST APIs runs on: a deployment's snapshot, compiled and frozen; and a stage's settings.

Made by `compiling`; nothing here is changed once it is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from labhelpers.gateway.authorizer import IdentitySource
from labhelpers.gateway.rest.event_frames import Frames
from labhelpers.gateway.rest.parameters import Mapped
from labhelpers.gateway.throttle import Throttle
from labhelpers.iam.documents import Policy


class IntegrationType(Enum):
    """AWS's five kinds of integrations."""

    __hash__ = object.__hash__  # Enum's own is Python, and takes longer than the look-up.

    AWS = "AWS"
    AWS_PROXY = "AWS_PROXY"
    HTTP = "HTTP"
    HTTP_PROXY = "HTTP_PROXY"
    MOCK = "MOCK"


class AuthorizerType(Enum):
    """AWS's three kinds of authorizers."""

    TOKEN = "TOKEN"
    REQUEST = "REQUEST"
    COGNITO_USER_POOLS = "COGNITO_USER_POOLS"


@dataclass(frozen=True, slots=True)
class IntegrationResponse:
    """How one kind of answer of a backend becomes the method's. `pattern` None: the default."""

    status: int
    pattern: re.Pattern[str] | None
    parameters: tuple[Mapped, ...]
    templates: Mapping[str, str]
    content_handling: str = ""


@dataclass(frozen=True, slots=True)
class Integration:
    """Where a method's requests go, and what becomes of them on the way. `function` is a Lambda URI's function."""

    type: IntegrationType
    uri: str
    http_method: str
    function: str
    parameters: tuple[Mapped, ...]
    templates: Mapping[str, str]
    passthrough: str
    content_handling: str
    credentials: str
    timeout_s: float
    cache_keys: tuple[str, ...]
    cache_namespace: str
    responses: tuple[IntegrationResponse, ...]


@dataclass(frozen=True, slots=True)
class Authorizer:
    """An authorizer of a REST API. `ttl_s` 0: results are not kept."""

    id: str
    name: str
    type: AuthorizerType
    function: str = ""
    credentials: str = ""
    sources: tuple[IdentitySource, ...] = ()
    validation: re.Pattern[str] | None = None
    ttl_s: float = 300.0
    provider_arns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Validator:
    """What a request validator checks."""

    body: bool
    parameters: bool


@dataclass(frozen=True, slots=True)
class Method:
    """One method of one resource. `models` check bodies, by content type: None for a good one, else what is wrong."""

    name: str
    resource_id: str
    resource_path: str
    authorization: str = "NONE"
    authorizer: Authorizer | None = None
    scopes: tuple[str, ...] = ()
    api_key_required: bool = False
    validator: Validator | None = None
    required: tuple[tuple[str, str], ...] = ()
    models: Mapping[str, Callable[[Any], str | None]] = field(default_factory=dict)
    integration: Integration | None = None
    operation_name: str = ""

    @property
    def settings_path(self) -> str:
        """The method as `Live.method_settings` names it: `{resource path}/{method}`, slashes but the first as `~1`."""
        return f"{self.resource_path.removeprefix('/').replace('/', '~1')}/{self.name}"


@dataclass(slots=True)
class Node:
    """One level of an API's paths. `methods` by name, `ANY` among them."""

    literals: dict[str, Node] = field(default_factory=dict)
    variable: tuple[str, Node] | None = None
    greedy: tuple[str, Node] | None = None
    methods: dict[str, Method] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """A customised gateway response. `status` None: that of the error."""

    status: int | None
    parameters: tuple[Mapped, ...]
    templates: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Program:
    """A deployment, ready to answer."""

    api_id: str
    api_name: str
    deployment_id: str
    root: Node
    gateway_responses: Mapping[str, GatewayResponse] = field(default_factory=dict)
    binary_media_types: tuple[str, ...] = ()
    api_key_source: str = "HEADER"
    policy: Policy | None = None
    compress_from: int | None = None
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class MethodSettings:
    """What a stage says of a method. `log_level`: OFF, ERROR or INFO."""

    throttle: Throttle | None = None
    log_level: str = "OFF"
    data_trace: bool = False
    detailed_metrics: bool = False
    caching: bool = False
    cache_ttl_s: float = 300.0
    cache_needs_authorization: bool = True
    unauthorized_cache_control: str = "SUCCEED_WITH_RESPONSE_HEADER"
    own: bool = False


@dataclass(frozen=True, slots=True)
class Canary:
    """The part of a stage's traffic that another deployment gets."""

    program: Program
    percent: float
    variables: Mapping[str, str]
    uses_stage_cache: bool


@dataclass(frozen=True, slots=True)
class Live:
    """What a stage serves: settings of the stage, which are its own, and the deployment that it points to."""

    name: str
    program: Program
    variables: Mapping[str, str]
    method_settings: Mapping[str, MethodSettings]
    canary: Canary | None = None
    cache_enabled: bool = False
    tracing: bool = False
    access_log: tuple[str, str] | None = None
    settings_of: dict[tuple[str, str], MethodSettings] = field(default_factory=dict)
    frames: Frames = field(default_factory=Frames, compare=False)

    def settings(self, method: Method) -> MethodSettings:
        """What holds for a method: its own settings, or those of all (`*/*`)."""
        key = (method.resource_path, method.name)
        found = self.settings_of.get(key)
        if found is None:
            found = self.method_settings.get(method.settings_path) or self.method_settings.get(
                "*/*", _NO_SETTINGS
            )
            self.settings_of[key] = found
        return found


_NO_SETTINGS = MethodSettings()
