"""Asks AWS's APIs for what a bill needs beside the journal: memory and processor of functions, classes of databases,
and what was used of usage plans. `Bill` makes one and reads from one thread; what was deleted since stays known.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from labhelpers.views.aws import Apis
from labhelpers.views.bill_invoices import KeyUsage, used_in
from labhelpers.views.bill_lines import Database, Facts, Function

LAMBDA, RDS, PLANS = "lambda", "rds", "apigateway"
_LATEST = ":$LATEST"


def outdated(entry: Mapping[str, Any]) -> str:
    """The service of which this entry of the journal says that a bill may have to know more; "" for none."""
    kind, detail = str(entry["kind"]), entry["detail"]
    if kind.startswith(("function.", "version.")):
        return LAMBDA
    if kind == "database.state":
        return RDS
    if kind == "gateway.request":
        return PLANS if "api_key_id" in detail else ""
    if kind != "api.call" or str(detail.get("call", "")).startswith("GET "):
        return ""
    service = str(detail.get("service", ""))
    if service == PLANS or (service == RDS and detail["call"] == "ModifyDBInstance"):
        return service
    return ""


class BillReader:
    """Reads from time to time."""

    def __init__(self, make_client: Callable[[str], Any]) -> None:
        self._apis = Apis(make_client)
        self._functions: dict[str, Function] = {}
        self._databases: dict[str, Database] = {}

    def close(self) -> None:
        """Close the connections."""
        self._apis.close()

    def facts(self, services: Collection[str]) -> Facts:
        """What is known, after asking these services again. Raises botocore's errors."""
        if LAMBDA in services:
            self._functions |= dict(self._read_functions())
        if RDS in services:
            self._databases |= dict(self._read_databases())
        return Facts(dict(self._functions), dict(self._databases))

    def usage(self, lab_now: float) -> tuple[KeyUsage, ...]:
        """What was used of each plan with each key in the month that the lab's clock is in."""
        today = datetime.fromtimestamp(lab_now, UTC).date()
        days = {"startDate": str(today.replace(day=1)), "endDate": str(today)}
        keys = {key["id"]: key for key in self._apis.all(PLANS, "get_api_keys", "items")}
        found = []
        for plan in self._apis.all(PLANS, "get_usage_plans", "items"):
            items: dict[str, Any] = {}
            for page in self._apis.pages(PLANS, "get_usage", usagePlanId=plan["id"], **days):
                items |= page.get("items") or {}
            for key_id, used in items.items():
                key = keys.get(key_id, {})
                name = str(key.get("name") or key_id)
                customer = str(key.get("customerId") or name)
                found.append(KeyUsage(str(plan["name"]), customer, name, used_in(used)))
        return tuple(found)

    # --- Each service ---

    def _read_functions(self) -> Iterator[tuple[str, Function]]:
        for each in self._apis.all(LAMBDA, "list_functions", "Functions", FunctionVersion="ALL"):
            made = Function(str((each.get("Architectures") or ["x86_64"])[0]), int(each["MemorySize"]))
            arn = str(each["FunctionArn"])
            yield arn, made
            if arn.endswith(_LATEST):
                yield arn.removesuffix(_LATEST), made

    def _read_databases(self) -> Iterator[tuple[str, Database]]:
        for each in self._apis.all(RDS, "describe_db_instances", "DBInstances"):
            known = Database(str(each["DBInstanceClass"]), int(each["AllocatedStorage"]))
            yield str(each["DBInstanceArn"]), known
