"""RDS as a learner meets it: boto3 in front, a real PostgreSQL behind, and nothing of HTTP between."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import boto3
import psycopg
import pytest
import pytest_asyncio
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from multidict import CIMultiDict

from labhelpers.cloud.protocol import AwsRequest, AwsResponse, Form, error_response
from labhelpers.cloud.rds_service import DatabaseService
from labhelpers.errors import NOT_EMULATED, AwsError
from tests.database.lab import REGION, DatabaseLab, database_lab

pytestmark = pytest.mark.asyncio(loop_scope="module")

VALID = {
    "DBInstanceIdentifier": "shop",
    "Engine": "postgres",
    "DBInstanceClass": "db.t4g.micro",
    "AllocatedStorage": 20,
    "MasterUsername": "bob",
    "MasterUserPassword": "correct-horse",
}


class Rds:
    """boto3's RDS client, each call in a thread, its requests answered by the service on this loop."""

    def __init__(self, service: DatabaseService) -> None:
        self._service = service
        self._loop = asyncio.get_running_loop()
        session = boto3.Session("AKIAEXAMPLE", "secret", region_name=REGION)
        self.client = session.client("rds", config=Config(retries={"total_max_attempts": 1}))
        self.client.meta.events.register("before-send.rds", self._send)

    def _send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        answer = asyncio.run_coroutine_threadsafe(self._answer(request), self._loop).result(60)
        return AWSResponse(request.url, answer.status, CIMultiDict(answer.headers), _Body(answer.body))

    async def _answer(self, request: AWSPreparedRequest) -> AwsResponse:
        body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
        headers = CIMultiDict({str(name): str(value) for name, value in request.headers.items()})
        asked = AwsRequest("POST", "/", "", headers, body, None, "rds", REGION, "127.0.0.1", "a-request-id")
        try:
            return await self._service.handle(asked)
        except AwsError as error:
            return error_response(error, Form.QUERY, asked.request_id)

    async def __call__(self, operation: str, **parameters: Any) -> dict[str, Any]:
        result: dict[str, Any] = await asyncio.to_thread(getattr(self.client, operation), **parameters)
        return result

    async def wait(self, waiter: str, identifier: str) -> None:
        """Use one of boto3's waiters; well before it would look a second time (30 s), or this fails."""
        async with asyncio.timeout(28):
            await asyncio.to_thread(self.client.get_waiter(waiter).wait, DBInstanceIdentifier=identifier)

    async def describe(self, identifier: str) -> dict[str, Any]:
        """The one instance of that name."""
        (found,) = (await self("describe_db_instances", DBInstanceIdentifier=identifier))["DBInstances"]
        assert isinstance(found, dict)
        return found

    async def refused(self, operation: str, **parameters: Any) -> tuple[int, str, str]:
        """Status, code and message of a call that must fail."""
        with pytest.raises(ClientError) as caught:
            await self(operation, **parameters)
        error = caught.value.response
        return error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"], error["Error"]["Message"]


class _Body:
    """As much of a urllib3 response as botocore reads."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> list[bytes]:
        return [self._content]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab() -> AsyncIterator[DatabaseLab]:
    """One lab for this module."""
    async with database_lab() as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rds(lab: DatabaseLab) -> Rds:
    """A client of that lab."""
    return Rds(DatabaseService(lab.databases))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(rds: Rds) -> dict[str, Any]:
    """An instance that the tests leave as it was."""
    await rds("create_db_instance", **VALID, DBName="Shop", Tags=[{"Key": "team", "Value": "red & blue"}])
    await rds.wait("db_instance_available", "shop")
    return await rds.describe("shop")


def connect(instance: dict[str, Any], password: str = "correct-horse", dbname: str = "postgres") -> Any:
    """Connect as a tutorial does: with what describe_db_instances says."""
    endpoint = instance["Endpoint"]
    return psycopg.connect(
        host=endpoint["Address"],
        port=endpoint["Port"],
        user=instance["MasterUsername"],
        password=password,
        dbname=dbname,
    )


async def test_instance_is_creating_then_available(rds: Rds) -> None:
    """The answer comes at once, without an endpoint; boto3's waiter sees it available at its first look."""
    created = (await rds("create_db_instance", **(VALID | {"DBInstanceIdentifier": "First"})))["DBInstance"]
    assert (created["DBInstanceIdentifier"], created["DBInstanceStatus"]) == ("first", "creating")
    assert "Endpoint" not in created
    all_of_them = (await rds("describe_db_instances"))["DBInstances"]
    seen = next(each for each in all_of_them if each["DBInstanceIdentifier"] == "first")
    assert seen["DBInstanceStatus"] == "creating" and "Endpoint" not in seen
    await rds.wait("db_instance_available", "first")
    available = await rds.describe("FIRST")
    assert available["DBInstanceStatus"] == "available"
    assert available["Endpoint"]["Address"] == "127.0.0.1" and available["Endpoint"]["Port"] > 1024
    with connect(available) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    await rds("delete_db_instance", DBInstanceIdentifier="first", SkipFinalSnapshot=True)
    await rds.wait("db_instance_deleted", "first")


async def test_description_is_that_of_rds(shop: dict[str, Any]) -> None:
    """boto3 reads every member; what was asked for is there, and what runs."""
    assert shop["Engine"] == "postgres" and shop["DBName"] == "Shop" and shop["AllocatedStorage"] == 20
    assert shop["DBInstanceArn"] == "arn:aws:rds:us-east-1:123456789012:db:shop"
    assert shop["TagList"] == [{"Key": "team", "Value": "red & blue"}]
    assert shop["PendingModifiedValues"] == {} and shop["MultiAZ"] is False
    assert shop["DBParameterGroups"][0]["DBParameterGroupName"] == "default.postgres18"
    assert shop["InstanceCreateTime"].tzinfo is not None
    with connect(shop, dbname="Shop") as connection:
        assert connection.execute("SHOW server_version").fetchone() == (shop["EngineVersion"],)


async def test_stop_start_and_reboot(rds: Rds, shop: dict[str, Any]) -> None:
    """Each answers with the state on the way, and the next look at the instance shows where it came to."""
    stopping = (await rds("stop_db_instance", DBInstanceIdentifier="shop"))["DBInstance"]
    assert stopping["DBInstanceStatus"] == "stopping"
    assert (await rds.describe("shop"))["DBInstanceStatus"] == "stopped"
    status, code, message = await rds.refused("reboot_db_instance", DBInstanceIdentifier="shop")
    assert (status, code) == (400, "InvalidDBInstanceState") and "not in available state" in message
    starting = (await rds("start_db_instance", DBInstanceIdentifier="shop"))["DBInstance"]
    assert starting["DBInstanceStatus"] == "starting"
    assert (await rds.describe("shop"))["DBInstanceStatus"] == "available"
    rebooting = (await rds("reboot_db_instance", DBInstanceIdentifier="shop"))["DBInstance"]
    assert rebooting["DBInstanceStatus"] == "rebooting"
    assert (await rds.describe("shop"))["Endpoint"] == shop["Endpoint"]


async def test_modification_changes_password_and_settings(rds: Rds, shop: dict[str, Any]) -> None:
    """The password really changes; a class without ApplyImmediately is pending."""
    modified = await rds(
        "modify_db_instance",
        DBInstanceIdentifier="shop",
        MasterUserPassword="another-horse",
        DBInstanceClass="db.t4g.small",
        AllocatedStorage=30,
        DeletionProtection=True,
    )
    assert modified["DBInstance"]["PendingModifiedValues"] == {"DBInstanceClass": "db.t4g.small"}
    assert modified["DBInstance"]["DBInstanceClass"] == "db.t4g.micro"
    assert modified["DBInstance"]["AllocatedStorage"] == 30
    with pytest.raises(psycopg.OperationalError):
        connect(shop)
    connect(shop, "another-horse").close()
    _, code, message = await rds.refused(
        "delete_db_instance", DBInstanceIdentifier="shop", SkipFinalSnapshot=True
    )
    assert code == "InvalidParameterCombination" and "Cannot delete protected DB Instance" in message
    await rds(
        "modify_db_instance",
        DBInstanceIdentifier="shop",
        MasterUserPassword="correct-horse",
        DeletionProtection=False,
    )


async def test_unknown_instance_is_not_found(rds: Rds) -> None:
    """404 with RDS's code, whatever is asked of it."""
    for operation in ("describe_db_instances", "start_db_instance", "stop_db_instance", "reboot_db_instance"):
        assert await rds.refused(operation, DBInstanceIdentifier="nobody") == (
            404,
            "DBInstanceNotFound",
            "DBInstance nobody not found.",
        )
    refused = await rds.refused("delete_db_instance", DBInstanceIdentifier="nobody", SkipFinalSnapshot=True)
    assert refused[1] == "DBInstanceNotFound"
    refused = await rds.refused("modify_db_instance", DBInstanceIdentifier="nobody")
    assert refused[1] == "DBInstanceNotFound"
    assert issubclass(rds.client.exceptions.DBInstanceNotFoundFault, ClientError)


@pytest.mark.usefixtures("shop")
async def test_second_instance_of_a_name_is_refused(rds: Rds) -> None:
    """Names are unique, in any case of letters."""
    refused = await rds.refused("create_db_instance", **(VALID | {"DBInstanceIdentifier": "SHOP"}))
    assert refused == (400, "DBInstanceAlreadyExists", "DB instance already exists")


@pytest.mark.usefixtures("shop")
async def test_deletion_needs_a_word_about_the_snapshot(rds: Rds) -> None:
    """RDS's own safeguard; a final snapshot is refused by name."""
    _, code, message = await rds.refused("delete_db_instance", DBInstanceIdentifier="shop")
    assert code == "InvalidParameterCombination" and "FinalDBSnapshotIdentifier is required" in message
    status, code, message = await rds.refused(
        "delete_db_instance", DBInstanceIdentifier="shop", FinalDBSnapshotIdentifier="last"
    )
    assert (status, code) == (501, NOT_EMULATED) and "snapshots" in message


@pytest.mark.parametrize("engine", ["mysql", "mariadb", "aurora-postgresql", "oracle-se2", "sqlserver-ex"])
async def test_other_engine_is_refused_by_name(rds: Rds, engine: str) -> None:
    """The error names the engine and the one that works, and nothing is made."""
    status, code, message = await rds.refused("create_db_instance", **(VALID | {"Engine": engine}))
    assert (status, code) == (501, NOT_EMULATED) and engine in message and "postgres" in message


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("create_db_cluster", {"DBClusterIdentifier": "c", "Engine": "aurora-postgresql"}),
        ("create_db_snapshot", {"DBSnapshotIdentifier": "s", "DBInstanceIdentifier": "shop"}),
        ("create_db_instance_read_replica", {"DBInstanceIdentifier": "r"}),
        (
            "create_db_parameter_group",
            {"DBParameterGroupName": "g", "DBParameterGroupFamily": "postgres18", "Description": "d"},
        ),
        ("describe_db_log_files", {"DBInstanceIdentifier": "shop"}),
    ],
)
async def test_rest_of_rds_is_refused_by_name(rds: Rds, operation: str, parameters: dict[str, str]) -> None:
    """No answer is made up for what is not here."""
    status, code, message = await rds.refused(operation, **parameters)
    assert (status, code) == (501, NOT_EMULATED) and "RDS" in message


async def test_lists_of_what_cannot_exist_are_empty(rds: Rds) -> None:
    """There are no clusters and no snapshots, and that is the truth."""
    assert (await rds("describe_db_clusters"))["DBClusters"] == []
    assert (await rds("describe_db_snapshots"))["DBSnapshots"] == []


async def test_engine_versions_are_those_that_run(rds: Rds) -> None:
    """The newest first; DefaultOnly gives it alone; any of them can be asked for."""
    versions = (await rds("describe_db_engine_versions", Engine="postgres"))["DBEngineVersions"]
    assert {each["DBParameterGroupFamily"] for each in versions} >= {"postgres18"}
    default = (await rds("describe_db_engine_versions", DefaultOnly=True))["DBEngineVersions"]
    assert default == versions[:1]
    assert (await rds.refused("describe_db_engine_versions", Engine="mysql"))[1] == NOT_EMULATED


async def test_orderable_classes_come_in_pages(rds: Rds) -> None:
    """boto3's paginator follows the markers to the end, without a class twice."""
    paginator = rds.client.get_paginator("describe_orderable_db_instance_options")
    pages = await asyncio.to_thread(
        lambda: list(paginator.paginate(Engine="postgres", PaginationConfig={"PageSize": 20}))
    )
    found = [
        (o["DBInstanceClass"], o["EngineVersion"])
        for page in pages
        for o in page["OrderableDBInstanceOptions"]
    ]
    assert len(pages) > 2 and len(found) == len(set(found))
    assert ("db.t4g.micro", found[0][1]) in found


async def test_tags_come_and_go(rds: Rds, shop: dict[str, Any]) -> None:
    """On an instance's ARN; a tag that is set again has its new value."""
    arn = shop["DBInstanceArn"]
    await rds(
        "add_tags_to_resource",
        ResourceName=arn,
        Tags=[{"Key": "team", "Value": "green"}, {"Key": "x", "Value": ""}],
    )
    await rds("remove_tags_from_resource", ResourceName=arn, TagKeys=["x"])
    assert (await rds("list_tags_for_resource", ResourceName=arn))["TagList"] == [
        {"Key": "team", "Value": "green"}
    ]
    refused = await rds.refused("list_tags_for_resource", ResourceName=arn + "x")
    assert refused[:2] == (404, "DBInstanceNotFound")


@pytest.mark.parametrize(
    ("name", "value", "count"),
    [
        ("db-instance-id", lambda shop: shop["DBInstanceArn"], 1),
        ("db-instance-id", lambda shop: "Shop", 1),
        ("dbi-resource-id", lambda shop: shop["DbiResourceId"], 1),
        ("db-instance-id", lambda shop: "nobody", 0),
        ("engine", lambda shop: "mysql", 0),
    ],
)
async def test_instances_are_filtered(
    rds: Rds, shop: dict[str, Any], name: str, value: Callable[[dict[str, Any]], str], count: int
) -> None:
    """By identifier or ARN, resource id and engine; no match is an empty list."""
    found = await rds("describe_db_instances", Filters=[{"Name": name, "Values": [value(shop)]}])
    assert len(found["DBInstances"]) == count


async def test_unknown_filter_is_refused(rds: Rds) -> None:
    """RDS knows five names."""
    refused = await rds.refused("describe_db_instances", Filters=[{"Name": "colour", "Values": ["red"]}])
    assert refused[1] == "InvalidParameterValue"


async def test_regions_do_not_share_names(rds: Rds, lab: DatabaseLab) -> None:
    """An instance is found in its own region only."""
    assert lab.databases.views("eu-west-1") == []
    with pytest.raises(AwsError, match="DBInstance shop not found"):
        lab.databases.view("eu-west-1", "shop")
    assert {view.new.identifier for view in lab.databases.views(REGION)} >= {"shop"}
