"""Deployments and stages of REST APIs, end to end: what is served is what was deployed."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.gateway.rest.gateway import RestApi, RestGateway, message

VERSION = "$stageVariables.v|$context.deploymentId|$context.isCanaryRequest"


@pytest.fixture
def api(gateway: RestGateway) -> RestApi:
    """An API whose root tells a stage variable and the deployment; not deployed yet."""
    made = gateway.rest_api()
    made.mock(template=VERSION)
    return made


def test_api_without_deployment_answers_as_if_it_had_no_stage(api: RestApi) -> None:
    """AWS asks for a token then."""
    assert message(api.ask()) == (403, "Missing Authentication Token")


def test_deployment_is_a_snapshot(api: RestApi) -> None:
    """What changes after it is not served before the next one."""
    api.deploy()
    api.client.update_integration_response(
        **api.place("/"),
        statusCode="200",
        patchOperations=[
            {"op": "replace", "path": "/responseTemplates/application~1json", "value": "second"}
        ],
    )
    api.mock("/new", template="new")
    assert api.ask().body != b"second"
    assert message(api.ask("/new")) == (403, "Missing Authentication Token")
    api.deploy()
    assert (api.ask().body, api.ask("/new").body) == (b"second", b"new")


def test_old_deployment_can_be_put_back(api: RestApi) -> None:
    """UpdateStage points to it, and all of it is served again."""
    first = api.deploy()
    api.client.delete_integration(**api.place("/"))
    api.integrate("/", type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    api.client.put_integration_response(
        **api.place("/"), statusCode="200", responseTemplates={"application/json": "2"}
    )
    second = api.deploy()
    assert api.ask().body == b"2" and first != second
    api.set_stage(deploymentId=first)
    assert api.ask().body.decode() == f"|{first}|false"


def test_deployment_that_a_stage_points_to_cannot_be_deleted(api: RestApi) -> None:
    """BadRequestException, until another one took its place."""
    first = api.deploy()
    with pytest.raises(
        ClientError, match="Active stages pointing to this deployment must be moved or deleted"
    ):
        api.client.delete_deployment(restApiId=api.id, deploymentId=first)
    api.deploy()
    api.client.delete_deployment(restApiId=api.id, deploymentId=first)
    with pytest.raises(ClientError, match="Deployment id does not exist"):
        api.set_stage(deploymentId=first)


def test_api_without_methods_cannot_be_deployed(gateway: RestGateway) -> None:
    """As on AWS; a method without an integration cannot either."""
    api = gateway.rest_api()
    with pytest.raises(ClientError, match="The REST API doesn't contain any methods"):
        api.deploy()
    api.method("/")
    with pytest.raises(ClientError, match="No integration defined for method"):
        api.deploy()


def test_stages_have_variables_of_their_own(api: RestApi) -> None:
    """They change without a deployment."""
    api.deploy("dev", variables={"v": "one"})
    api.deploy("prod", variables={"v": "two"})
    assert api.ask().body.startswith(b"two|")
    api.stage = "dev"
    assert api.ask().body.startswith(b"one|")
    api.set_stage(variables__v="three")
    assert api.ask().body.startswith(b"three|")


def test_deleted_stage_is_not_served(api: RestApi) -> None:
    """Nor is a deleted API."""
    api.deploy()
    api.client.delete_stage(restApiId=api.id, stageName="prod")
    assert message(api.ask()) == (403, "Missing Authentication Token")
    api.client.delete_rest_api(restApiId=api.id)
    assert message(api.ask()) == (403, "Forbidden")


@pytest.mark.parametrize(("percent", "whose"), [("0.0", "false"), ("100.0", "true")])
def test_canary_gets_its_share(api: RestApi, percent: str, whose: str) -> None:
    """Another deployment, and stage variables that override the stage's."""
    stable = api.deploy(variables={"v": "stable"})
    canary = api.client.create_deployment(
        restApiId=api.id,
        stageName="prod",
        canarySettings={"percentTraffic": float(percent), "stageVariableOverrides": {"v": "canary"}},
    )["id"]
    version, deployment, is_canary = api.ask().body.decode().split("|")
    assert is_canary == whose
    assert (version, deployment) == (("canary", canary) if whose == "true" else ("stable", stable))


def test_canary_shares_requests_by_its_percentage(api: RestApi) -> None:
    """Of 400 requests at 25 percent some 100; the bounds are five standard deviations away."""
    api.deploy()
    api.client.create_deployment(restApiId=api.id, stageName="prod", canarySettings={"percentTraffic": 25.0})
    share = sum(api.ask().body.endswith(b"true") for _ in range(400))
    assert 56 < share < 144


def test_canary_is_promoted_by_copying(api: RestApi) -> None:
    """Its deployment and its variables become the stage's; then it is removed."""
    api.deploy(variables={"v": "stable", "w": "kept"})
    canary = api.client.create_deployment(
        restApiId=api.id,
        stageName="prod",
        canarySettings={"percentTraffic": 100.0, "stageVariableOverrides": {"v": "canary"}},
    )["id"]
    stage = api.patch_stage(
        {"op": "copy", "from": "/canarySettings/deploymentId", "path": "/deploymentId"},
        {"op": "copy", "from": "/canarySettings/stageVariableOverrides", "path": "/variables"},
        {"op": "remove", "path": "/canarySettings"},
    )
    assert (stage["deploymentId"], stage["variables"]) == (canary, {"v": "canary", "w": "kept"})
    assert "canarySettings" not in stage
    assert api.ask().body.decode() == f"canary|{canary}|false"


def test_without_canary_nothing_can_be_promoted(api: RestApi) -> None:
    """BadRequestException."""
    api.deploy()
    with pytest.raises(ClientError, match="Promotion not available"):
        api.patch_stage({"op": "copy", "from": "/canarySettings/deploymentId", "path": "/deploymentId"})


def test_stage_points_to_what_is_there(api: RestApi) -> None:
    """CreateStage wants a deployment and a name of letters, digits, `-` and `_`."""
    deployment = api.deploy()
    with pytest.raises(ClientError, match="Deployment id does not exist"):
        api.client.create_stage(restApiId=api.id, stageName="x", deploymentId="nothing")
    with pytest.raises(ClientError, match="Stage name only allows"):
        api.client.create_stage(restApiId=api.id, stageName="a b", deploymentId=deployment)
    with pytest.raises(ClientError, match="Stage already exists"):
        api.client.create_stage(restApiId=api.id, stageName="prod", deploymentId=deployment)
