"""The lab's DB instances: each a PostgreSQL server with RDS's life around it.

Called by the RDS service, which answers for it; calls `postgres`. Every change of state is an entry of the journal.
Rules: one piece of work at a time on an instance; only `_become` changes a state; a server that ends by itself while
its instance is available, or is killed while it starts, is started again, but not for ever.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any

from labhelpers.database.instance import RESTARTS, Instance, InstanceView
from labhelpers.database.instance_classes import max_connections
from labhelpers.database.postgres import ADMIN, Killed, Server
from labhelpers.database.rules import Change, NewInstance
from labhelpers.database.states import SETTLED, State, check_transition
from labhelpers.errors import AwsError, LabError
from labhelpers.journal import Journal
from labhelpers.model import LogEvent
from labhelpers.processes.spawner import Spawner

WriteLogs = Callable[[str, str, list[LogEvent]], None]

_SQL = Path(__file__).parent / "sql"
_RESTARTS_WITHIN_S = 60.0


class Databases:
    """All DB instances of a lab. `folder` is below the lab's own; identifiers are unique within a region."""

    def __init__(
        self,
        folder: Path,
        spawner: Spawner,
        journal: Journal,
        account_id: str,
        *,
        write_logs: WriteLogs,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._spawner = spawner
        self._journal = journal
        self._account_id = account_id
        self._write_logs = write_logs
        self._now = now
        self._instances: dict[tuple[str, str], Instance] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def views(self, region: str) -> list[InstanceView]:
        """Every DB instance of a region, as it is now."""
        return [instance.view() for (where, _), instance in self._instances.items() if where == region]

    def view(self, region: str, identifier: str) -> InstanceView:
        """One DB instance as it is now. AwsError DBInstanceNotFound (404)."""
        return self._find(region, identifier).view()

    def tag(self, region: str, identifier: str, tags: Mapping[str, str], remove: Iterable[str] = ()) -> None:
        """Add tags to an instance, then remove the ones with the keys `remove`."""
        instance = self._find(region, identifier)
        instance.tags |= tags
        for key in remove:
            instance.tags.pop(key, None)

    def create(self, region: str, new: NewInstance) -> None:
        """Take up a new instance: creating, then available. AwsError DBInstanceAlreadyExists."""
        if (region, new.identifier) in self._instances:
            raise AwsError("DBInstanceAlreadyExists", "DB instance already exists")
        arn = f"arn:aws:rds:{region}:{self._account_id}:db:{new.identifier}"
        folder = self._folder / secrets.token_hex(4)
        server = Server(folder, new.installation, self._spawner, lambda line: self._log(instance, line))
        instance = self._instances[region, new.identifier] = Instance(new, arn, server, self._now())
        self._record(instance, "")
        self._begin(instance, self._create(instance))

    def stop(self, region: str, identifier: str) -> None:
        """Stopping, then stopped: the data stay. AwsError InvalidDBInstanceState unless it is available."""
        instance = self._find(region, identifier)
        _expect(instance, State.AVAILABLE, f"Instance {identifier} is not in available state.")
        self._become(instance, State.STOPPING)
        self._begin(instance, self._stop(instance))

    def start(self, region: str, identifier: str) -> None:
        """Starting, then available. AwsError InvalidDBInstanceState unless it is stopped."""
        instance = self._find(region, identifier)
        _expect(instance, State.STOPPED, f"Instance {identifier} is not stopped, it cannot be started.")
        self._become(instance, State.STARTING)
        self._begin(instance, self._start(instance))

    def reboot(self, region: str, identifier: str) -> None:
        """Rebooting, then available: a real restart. AwsError InvalidDBInstanceState unless it is available."""
        instance = self._find(region, identifier)
        _expect(instance, State.AVAILABLE, "Database instance is not in available state.")
        self._become(instance, State.REBOOTING)
        self._begin(instance, self._restart(instance))

    async def modify(self, region: str, identifier: str, change: Change) -> None:
        """Apply a change: a password and the log's export now, a class by a restart, now or when the next one comes."""
        instance = self._find(region, identifier)
        _expect(instance, State.AVAILABLE, "Database instance is not in available state.")
        if change.master_password:
            await self._set_password(instance, change.master_password)
        instance.settings |= change.settings
        if change.exports_log is not None:
            instance.exports_log = change.exports_log
        if change.instance_class and change.instance_class != instance.instance_class:
            # AWS: without ApplyImmediately the class changes in the maintenance window. Here: at the next restart,
            # because nobody keeps a lab until Sunday night.
            instance.pending_class = change.instance_class
            if change.at_once and instance.state is State.AVAILABLE:
                self._become(instance, State.MODIFYING)
                self._begin(instance, self._restart(instance))

    def delete(self, region: str, identifier: str) -> None:
        """Deleting, then gone with all its data. AwsError InvalidDBInstanceState when that is under way already."""
        instance = self._find(region, identifier)
        if instance.settings.get("DeletionProtection") == "true":
            raise AwsError(
                "InvalidParameterCombination",
                "Cannot delete protected DB Instance, please disable deletion protection and try again.",
            )
        if instance.state is State.DELETING:
            raise AwsError("InvalidDBInstanceState", f"Instance {identifier} is already being deleted.")
        earlier = instance.work
        self._become(instance, State.DELETING)
        self._begin(instance, self._delete(region, instance, earlier))

    async def settle(self, region: str, identifier: str, patience_s: float) -> None:
        """Wait until the instance is available, stopped, failed or gone, but no longer than `patience_s`."""
        instance = self._instances.get((region, identifier))
        deadline = asyncio.get_running_loop().time() + patience_s
        while instance is not None and instance.state not in SETTLED:
            try:
                async with asyncio.timeout_at(deadline):
                    await instance.changed.wait()
            except TimeoutError:
                return
            instance = self._instances.get((region, identifier))

    async def close(self) -> None:
        """End every server at once and remove its data."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        instances, self._instances = list(self._instances.values()), {}
        await asyncio.gather(*(instance.server.discard() for instance in instances))

    async def _create(self, instance: Instance) -> None:
        while True:
            try:
                await self._make(instance)
            except Killed as error:
                self._count_end(instance, str(error))
                await instance.server.discard()
            else:
                self._available(instance)
                return

    async def _make(self, instance: Instance) -> None:
        new = instance.new
        await instance.server.initialise()
        await self._serve(instance)
        await instance.server.run_sql(
            _SQL / "master_user.sql",
            {"master": new.master_username, "database": new.database},
            {"MASTER_PASSWORD": new.master_password},
        )

    async def _set_password(self, instance: Instance, password: str) -> None:
        try:
            await instance.server.run_sql(
                _SQL / "master_password.sql",
                {"master": instance.new.master_username},
                {"MASTER_PASSWORD": password},
            )
        except LabError as error:
            raise AwsError("InternalFailure", f"the password was not changed: {error}", 500) from error

    async def _start(self, instance: Instance) -> None:
        await self._serve(instance)
        self._available(instance)

    async def _stop(self, instance: Instance) -> None:
        await instance.server.stop()
        self._become(instance, State.STOPPED)

    async def _restart(self, instance: Instance) -> None:
        await instance.server.stop()
        await self._start(instance)

    async def _delete(self, region: str, instance: Instance, earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            await asyncio.wait({earlier})
        await instance.server.discard()
        self._remove(region, instance)
        self._journal.append("database.state", instance.arn, state="deleted", previous=State.DELETING.value)

    async def _serve(self, instance: Instance) -> None:
        if instance.pending_class:
            instance.instance_class, instance.pending_class = instance.pending_class, ""
        while True:
            try:
                await instance.server.start(max_connections(instance.instance_class))
            except Killed as error:
                self._count_end(instance, str(error))
            else:
                return

    def _available(self, instance: Instance) -> None:
        if instance.state is State.DELETING:  # It was deleted while it was being made.
            return
        instance.port = instance.server.port
        self._become(instance, State.AVAILABLE)
        self._keep(asyncio.create_task(self._watch(instance)))

    async def _watch(self, instance: Instance) -> None:
        """Wait for the server to end; when nobody asked it to, start it again."""
        code = await instance.server.wait_exited()
        if instance.state is not State.AVAILABLE:
            return
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        self._become(instance, State.REBOOTING)
        self._begin(instance, self._recover(instance, f"PostgreSQL {how}: {instance.server.last_words()}"))

    async def _recover(self, instance: Instance, how: str) -> None:
        self._count_end(instance, how)
        await instance.server.clear_up()
        await self._start(instance)

    def _count_end(self, instance: Instance, how: str) -> None:
        """Tell of a server that ended unasked. LabError when it has done so too often to be started once more."""
        moment = asyncio.get_running_loop().time()
        instance.restarts.append(moment)
        self._journal.failure(f"DB instance {instance.new.identifier}: {how}", instance.arn)
        if instance.state is State.DELETING:
            raise LabError("it is being deleted, so it is not started again")
        if len(instance.restarts) == RESTARTS and moment - instance.restarts[0] < _RESTARTS_WITHIN_S:
            raise LabError(f"PostgreSQL ended {RESTARTS} times within a minute: given up")

    def _begin(self, instance: Instance, work: Coroutine[Any, Any, None]) -> None:
        instance.work = asyncio.create_task(self._guarded(instance, work))
        self._keep(instance.work)

    async def _guarded(self, instance: Instance, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - nobody waits for this work: the journal is where it is heard of
            what = f"DB instance {instance.new.identifier} failed while {instance.state.value}: {error}"
            advice = "; delete_db_instance removes it, then it can be created again"
            self._journal.failure(what + advice, instance.arn)
            if instance.state not in (State.DELETING, State.FAILED):
                self._become(instance, State.FAILED)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _become(self, instance: Instance, state: State) -> None:
        before = instance.state
        check_transition(before, state)
        instance.state = state
        self._record(instance, before.value)
        self._tell(instance)

    def _record(self, instance: Instance, previous: str) -> None:
        detail: dict[str, Any] = {"state": instance.state.value, "previous": previous}
        if instance.state is State.AVAILABLE:
            detail["port"] = instance.port
        self._journal.append("database.state", instance.arn, **detail)

    def _remove(self, region: str, instance: Instance) -> None:
        self._instances.pop((region, instance.new.identifier), None)
        self._tell(instance)

    def _tell(self, instance: Instance) -> None:
        instance.changed.set()
        instance.changed = asyncio.Event()

    def _find(self, region: str, identifier: str) -> Instance:
        if instance := self._instances.get((region, identifier)):
            return instance
        raise AwsError("DBInstanceNotFound", f"DBInstance {identifier} not found.", 404)

    def _log(self, instance: Instance, line: str) -> None:
        """One line of a server's log: who connects, to the journal; all else, to CloudWatch Logs if it is exported."""
        if found := _CONNECTION.search(line):
            if found["user"] and found["user"] != ADMIN:
                self._journal.append(
                    "database.connection", instance.arn, user=found["user"], database=found["database"]
                )
            return
        if instance.exports_log:
            name = instance.new.identifier
            event = LogEvent(int(self._now() * 1000), line)
            self._write_logs(f"/aws/rds/instance/{name}/postgresql", f"{name}.0", [event])


# PostgreSQL says of each connection that it is received, authenticated, and, if the password was right, authorized.
_CONNECTION = re.compile(
    r":LOG:  connection (received|authenticated|authorized): (user=(?P<user>\S+) database=(?P<database>\S+))?"
)


def _expect(instance: Instance, state: State, otherwise: str) -> None:
    if instance.state is not state:
        raise AwsError("InvalidDBInstanceState", otherwise)
