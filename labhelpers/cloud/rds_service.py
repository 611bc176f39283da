"""RDS as this cloud offers it: DB instances that are real PostgreSQL servers; all else of RDS is refused by name.

The front door calls `DatabaseService.handle`; it reads the request, has `Databases` do the work and words the answer.
moto has no part in it: its RDS only keeps settings, and would cost a second and 100 MB of memory to import.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.cloud.rds_description import db_instance, engine_version, orderable_option, tag_list
from labhelpers.cloud.rds_query import Items, answer, filters_of, parameters_of, values_of
from labhelpers.database import rules
from labhelpers.database.installation import Installation, installations
from labhelpers.database.instance import InstanceView
from labhelpers.database.instance_classes import known_classes
from labhelpers.database.instances import Databases
from labhelpers.database.not_emulated import check_engine, refuse_not_emulated
from labhelpers.database.parameters import ENGINE, INVALID_VALUE, family, is_true, required
from labhelpers.errors import AwsError, MachineError, NotEmulated

# AWS: DescribeDBInstances answers at once. Here: asked for one instance that is about to become available (or stopped,
# or gone), it waits for that a little, because boto3's waiters look once and then only every 30 s.
DESCRIBE_PATIENCE_S = 20.0
_RECORDS = range(20, 101)

Parameters = dict[str, str]
Result = dict[str, Any]
# What there is none of in a lab, so that an empty list is the truth.
_ALWAYS_EMPTY = {
    "DescribeDBClusters": Items("DBCluster", ()),
    "DescribeDBClusterSnapshots": Items("DBClusterSnapshot", ()),
    "DescribeDBSnapshots": Items("DBSnapshot", ()),
    "DescribeDBProxies": Items("member", ()),
}
_HINTS = {
    "DescribeDBLogFiles": "; EnableCloudwatchLogsExports=['postgresql'] sends the log to CloudWatch Logs",
    "DownloadDBLogFilePortion": "; EnableCloudwatchLogsExports=['postgresql'] sends the log to CloudWatch Logs",
}


class DatabaseService:
    """Answers every RDS request. `available` are the PostgreSQLs of this machine, looked for at the first call."""

    def __init__(
        self, databases: Databases, available: Callable[[], Sequence[Installation]] = installations
    ) -> None:
        self._databases = databases
        self._available = available
        self._actions: dict[str, Callable[[str, Parameters], Awaitable[Result | None]]] = {
            "CreateDBInstance": self._create,
            "DescribeDBInstances": self._describe,
            "ModifyDBInstance": self._modify,
            "DeleteDBInstance": self._delete,
            "StartDBInstance": self._start,
            "StopDBInstance": self._stop,
            "RebootDBInstance": self._reboot,
            "AddTagsToResource": self._add_tags,
            "RemoveTagsFromResource": self._remove_tags,
            "ListTagsForResource": self._list_tags,
            "DescribeDBEngineVersions": self._describe_versions,
            "DescribeOrderableDBInstanceOptions": self._describe_orderable,
        }

    async def handle(self, request: AwsRequest) -> AwsResponse:
        """The answer to a signed RDS request. AwsError as RDS words it; NotEmulated for what the lab leaves out."""
        parameters = parameters_of(request)
        action = parameters.get("Action", "")
        if action in _ALWAYS_EMPTY:
            empty = {action.removeprefix("Describe"): _ALWAYS_EMPTY[action]}
            return answer(action, empty, request.request_id)
        if action not in self._actions:
            raise NotEmulated(f"RDS {action}{_HINTS.get(action, '')}")
        try:
            result = await self._actions[action](request.region, parameters)
        except MachineError as error:
            raise AwsError("InternalFailure", str(error), 500) from error
        return answer(action, result, request.request_id)

    async def close(self) -> None:
        """End every database."""
        await self._databases.close()

    async def _create(self, region: str, parameters: Parameters) -> Result:
        new = rules.new_instance(parameters, self._available())
        self._databases.create(region, new)
        return self._instance(region, new.identifier)

    async def _describe(self, region: str, parameters: Parameters) -> Result:
        filters = filters_of(parameters)
        if wanted := parameters.get("DBInstanceIdentifier", ""):
            filters["db-instance-id"] = [wanted]
        for each in filters.get("db-instance-id", ()):
            await self._databases.settle(region, _plain(each), DESCRIBE_PATIENCE_S)
        if wanted:
            self._databases.view(region, _plain(wanted))
        found = [view for view in self._databases.views(region) if _fits(view, filters)]
        page, marker = _page(parameters, found)
        return {
            "Marker": marker,
            "DBInstances": Items("DBInstance", [db_instance(view, region) for view in page]),
        }

    async def _modify(self, region: str, parameters: Parameters) -> Result:
        view = self._databases.view(region, _identifier(parameters))
        change = rules.change(parameters, view.new.installation, int(view.settings["AllocatedStorage"]))
        await self._databases.modify(region, view.new.identifier, change)
        return self._instance(region, view.new.identifier)

    async def _delete(self, region: str, parameters: Parameters) -> Result:
        identifier = _identifier(parameters)
        self._databases.view(region, identifier)
        rules.check_deletion(parameters)
        self._databases.delete(region, identifier)
        return self._instance(region, identifier)

    async def _start(self, region: str, parameters: Parameters) -> Result:
        self._databases.start(region, _identifier(parameters))
        return self._instance(region, _identifier(parameters))

    async def _stop(self, region: str, parameters: Parameters) -> Result:
        refuse_not_emulated(parameters)
        self._databases.stop(region, _identifier(parameters))
        return self._instance(region, _identifier(parameters))

    async def _reboot(self, region: str, parameters: Parameters) -> Result:
        refuse_not_emulated(parameters)
        self._databases.reboot(region, _identifier(parameters))
        return self._instance(region, _identifier(parameters))

    async def _add_tags(self, region: str, parameters: Parameters) -> None:
        self._databases.tag(region, _tagged(parameters), rules.tags(parameters))

    async def _remove_tags(self, region: str, parameters: Parameters) -> None:
        self._databases.tag(region, _tagged(parameters), {}, values_of(parameters, "TagKeys"))

    async def _list_tags(self, region: str, parameters: Parameters) -> Result:
        return {"TagList": tag_list(self._databases.view(region, _tagged(parameters)).tags)}

    async def _describe_versions(self, region: str, parameters: Parameters) -> Result:
        if engine := parameters.get("Engine", ""):
            check_engine(engine)
        version, group = parameters.get("EngineVersion", ""), parameters.get("DBParameterGroupFamily", "")
        found = [
            each
            for each in self._available()
            if version in ("", each.version, str(each.major)) and group in ("", family(each))
        ]
        if is_true(parameters, "DefaultOnly"):
            found = found[:1]
        return {"DBEngineVersions": Items("DBEngineVersion", [engine_version(each) for each in found])}

    async def _describe_orderable(self, region: str, parameters: Parameters) -> Result:
        check_engine(required(parameters, "Engine"))
        version, name = parameters.get("EngineVersion", ""), parameters.get("DBInstanceClass", "")
        options = [
            orderable_option(each, instance_class, region)
            for each in self._available()
            if version in ("", each.version)
            for instance_class in known_classes()
            if name in ("", instance_class)
        ]
        page, marker = _page(parameters, options)
        return {
            "Marker": marker,
            "OrderableDBInstanceOptions": Items("OrderableDBInstanceOption", page),
        }

    def _instance(self, region: str, identifier: str) -> Result:
        return {"DBInstance": db_instance(self._databases.view(region, identifier), region)}


def _identifier(parameters: Parameters) -> str:
    return _plain(required(parameters, "DBInstanceIdentifier"))


def _plain(identifier: str) -> str:
    """An identifier as it is kept; RDS also takes an instance's ARN for it, in any case of letters."""
    return identifier.rpartition(":")[2].lower()


def _tagged(parameters: Parameters) -> str:
    """The instance that ResourceName, an ARN, stands for."""
    arn = required(parameters, "ResourceName")
    if not (match := re.fullmatch(r"arn:aws:rds:[a-z0-9-]+:\d{12}:([a-z-]+):(.+)", arn)):
        raise AwsError(INVALID_VALUE, f"Invalid resource name: {arn}")
    if match[1] != "db":
        raise NotEmulated(f"tags of RDS resources of the type {match[1]!r}")
    return match[2]


def _fits(view: InstanceView, filters: dict[str, list[str]]) -> bool:
    values: dict[str, tuple[str, ...]] = {
        "db-instance-id": (view.new.identifier,),
        "dbi-resource-id": (view.resource_id,),
        "engine": (ENGINE,),
        "db-cluster-id": (),
        "domain": (),
    }
    for name, accepted in filters.items():
        if name not in values:
            raise AwsError(INVALID_VALUE, f"Unrecognized filter name: {name}")
        wanted = {_plain(each) if name == "db-instance-id" else each for each in accepted}
        if not wanted & set(values[name]):
            return False
    return True


def _page(parameters: Parameters, found: Sequence[Any]) -> tuple[Sequence[Any], str | None]:
    """One page of a list, and the Marker of the next one: the place where it begins."""
    size, marker = parameters.get("MaxRecords") or "100", parameters.get("Marker") or "0"
    if not size.isdigit() or int(size) not in _RECORDS:
        raise AwsError(INVALID_VALUE, f"Invalid value {size} for MaxRecords. Must be between 20 and 100")
    if not marker.isdigit():
        raise AwsError(INVALID_VALUE, f"Invalid Marker: {marker}")
    end = int(marker) + int(size)
    return found[int(marker) : end], str(end) if end < len(found) else None
