"""How an alias or a canary should share out calls, and how it really did; pure.

AWS routes by chance: few calls differ much from the weights. Counts begin anew when the weights are set.
https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/canary-release.html
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from labhelpers.views.gauges_settings import Alias, Settings, Stage

_ENVIRONMENTS = 10_000
_ALIAS_SET = re.compile(r"(?:PUT|DELETE) /[\d-]+/functions/([^/]+)/aliases/([^/]+)")
_STAGE_SET = re.compile(r"(?:PATCH|DELETE) /restapis/([^/]+)/stages/([^/]+)")
_DEPLOYED = re.compile(r"POST /restapis/([^/]+)/deployments")


@dataclass(frozen=True, slots=True)
class Share:
    """One side of it: the share that it should get, from 0 to 1, and how many calls it got."""

    name: str
    configured: float
    calls: int


@dataclass(frozen=True, slots=True)
class Weights:
    """An alias, or a stage with a canary, and its shares; the main one is first."""

    id: str
    owner: str
    shares: tuple[Share, ...]

    @property
    def calls(self) -> int:
        """How many there were since the weights were set."""
        return sum(share.calls for share in self.shares)


class Routed:
    """Counts where calls went. `know` tells the weights as they are from now on, `add` what happened."""

    def __init__(self) -> None:
        self._settings = Settings()
        self._versions: OrderedDict[str, str] = OrderedDict()  # By execution environment.
        self._calls: dict[str, Counter[str]] = {}
        self._requests: dict[tuple[str, str], Counter[bool]] = {}

    def know(self, settings: Settings) -> None:
        """Take up the aliases and stages."""
        self._settings = settings

    def add(self, entry: Mapping[str, Any]) -> bool:
        """Count a call or request, or begin anew; whether there is anything new to see."""
        kind, resource, detail = entry["kind"], str(entry["resource"]), entry["detail"]
        if kind == "environment.state":
            self._versions[detail["environment"]] = resource.rpartition(":")[2]
            if len(self._versions) > _ENVIRONMENTS:
                self._versions.popitem(last=False)
        elif kind == "invoke.started" and resource.count(":") == 7:
            version = self._versions.get(detail["environment"], "")
            self._calls.setdefault(resource, Counter())[version] += 1
            return True
        elif kind == "gateway.request" and detail.get("api") == "REST":
            api, _, rest = resource.split(":", 5)[-1].partition("/")
            counts = self._requests.setdefault((api, rest.partition("/")[0]), Counter())
            counts[bool(detail.get("canary"))] += 1
            return True
        elif kind == "api.call" and int(detail["status"]) < 300:
            return self._forget(str(detail["call"]))
        return False

    def _forget(self, call: str) -> bool:
        """Begin anew where weights were set."""
        if found := _ALIAS_SET.fullmatch(call):
            function, alias = (unquote(part) for part in found.groups())
            end = f":{function.rpartition(':')[2]}:{alias}"
            for arn in [arn for arn in self._calls if arn.endswith(end)]:
                del self._calls[arn]
        elif found := _STAGE_SET.fullmatch(call):
            self._requests.pop((found[1], unquote(found[2])), None)
        elif found := _DEPLOYED.fullmatch(call):
            for place in [place for place in self._requests if place[0] == found[1]]:
                del self._requests[place]
        else:
            return False
        return True

    def read(self) -> tuple[Weights, ...]:
        """All aliases, and all stages with a canary."""
        aliases = [self._of_alias(alias) for alias in self._settings.aliases]
        canaries = [self._of_stage(stage) for stage in self._settings.stages if stage.canary is not None]
        return tuple(sorted([*aliases, *canaries], key=lambda weights: weights.owner))

    def _of_alias(self, alias: Alias) -> Weights:
        calls = self._calls.get(alias.arn, Counter())
        # A call that began before the weights changed may end after it, at a version that has none now.
        versions = [*alias.weights, *sorted(version for version in calls if version not in alias.weights)]
        shares = [
            Share(
                f"version {version}" if version else "a version not seen starting",
                alias.weights.get(version, 0.0),
                calls[version],
            )
            for version in versions
        ]
        return Weights(alias.arn, f"alias {alias.name} of {alias.function}", tuple(shares))

    def _of_stage(self, stage: Stage) -> Weights:
        calls = self._requests.get((stage.api_id, stage.name), Counter())
        canary = stage.canary or 0.0
        main, other = stage.deployments
        return Weights(
            f"{stage.api_id}/{stage.name}",
            f"stage {stage.name} of {stage.api}",
            (
                Share(f"deployment {main}", 1.0 - canary, calls[False]),
                Share(f"canary {other}", canary, calls[True]),
            ),
        )
