"""DB instances with a real PostgreSQL: their states, their data, and what happens when somebody kills them."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from labhelpers.database.instance import InstanceView
from labhelpers.database.rules import Change
from labhelpers.database.states import State
from labhelpers.errors import AwsError
from labhelpers.processes.spawner import Process, Spawner
from labhelpers.processes.spec import ProcessSpec
from tests.database.lab import (
    PASSWORD,
    REGION,
    DatabaseLab,
    database_lab,
    processes_in,
    query,
    session,
    wanted,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOREVER = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%forever%'"  # Itself is one of them.


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab() -> AsyncIterator[DatabaseLab]:
    """One lab for this module."""
    async with database_lab() as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(lab: DatabaseLab) -> InstanceView:
    """An instance for tests that leave it as it was."""
    return await lab.make("shop", DBName="Shop", MasterUsername="bob")


@asynccontextmanager
async def crowd(view: InstanceView, size: int) -> AsyncIterator[None]:
    """So many connections at the same time."""
    async with AsyncExitStack() as held:
        for _ in range(size):
            await held.enter_async_context(
                await psycopg.AsyncConnection.connect(
                    host=view.address, port=view.port, user="bob", password=PASSWORD, dbname="postgres"
                )
            )
        yield


def server_pid(lab: DatabaseLab, identifier: str) -> int:
    """The first process of an instance's server."""
    return lab.databases._find(REGION, identifier).server.pid


async def test_master_user_connects_with_its_password(lab: DatabaseLab, shop: InstanceView) -> None:
    """The endpoint takes the instance's own user and password, for its own database and for postgres."""
    assert query(shop, "SELECT current_database()", dbname="Shop") == "Shop"
    assert query(shop, "SELECT current_database()") == "postgres"
    assert lab.states("shop") == ["creating", "available"]


@pytest.mark.parametrize(
    "wrong", [{"password": "not-the-password"}, {"user": "alice"}, {"user": "rdsadmin"}, {"password": ""}]
)
async def test_wrong_password_is_refused(shop: InstanceView, wrong: dict[str, str]) -> None:
    """Nobody gets in without the right name and password, the lab's own superuser included."""
    with pytest.raises(psycopg.OperationalError), session(shop, **wrong):
        pass


async def test_connection_is_in_the_journal(lab: DatabaseLab, shop: InstanceView) -> None:
    """The journal names who connects to which database, but not our own superuser."""
    query(shop, "SELECT 1", dbname="Shop")
    await lab.until(
        lambda: (
            {"user": "bob", "database": "Shop"}
            in [entry.detail for entry in lab.journal.since(kind="database.connection")]
        )
    )
    assert "rdsadmin" not in {entry.detail["user"] for entry in lab.journal.since(kind="database.connection")}


async def test_master_user_has_the_rights_that_rds_gives(shop: InstanceView) -> None:
    """It makes roles and databases and watches the server, but is no superuser."""
    rights = "SELECT rolcreatedb AND rolcreaterole AND NOT rolsuper FROM pg_roles WHERE rolname = 'bob'"
    assert query(shop, rights) is True
    assert query(shop, "SELECT pg_has_role('bob', 'rds_superuser', 'member')") is True
    assert query(shop, "SELECT pg_has_role('bob', 'pg_monitor', 'member')") is True
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        query(shop, "ALTER SYSTEM SET work_mem = '1GB'")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        query(shop, "SELECT pg_read_file('/etc/passwd')")


async def test_server_runs_the_version_that_rds_reports(shop: InstanceView) -> None:
    """EngineVersion is what runs, not what somebody wrote down."""
    assert query(shop, "SHOW server_version") == shop.new.installation.version


async def test_server_keeps_utc_and_unicode(shop: InstanceView) -> None:
    """Times are UTC whatever the machine's zone, and capital letters are known beyond English."""
    assert query(shop, "SHOW timezone") == "UTC"
    assert query(shop, "SELECT upper('façade')") == "FAÇADE"


async def test_server_listens_on_loopback_only(shop: InstanceView) -> None:
    """No other machine reaches it, and it leaves no socket file."""
    assert shop.address == query(shop, "SHOW listen_addresses") == "127.0.0.1"
    assert query(shop, "SHOW unix_socket_directories") == ""


async def test_master_user_may_have_a_name_that_sql_folds(lab: DatabaseLab) -> None:
    """Capital letters in user and database stay as they were given; an older major version runs as well."""
    view = await lab.make("fold", MasterUsername="Big_Bob", DBName="Big_Shop", EngineVersion="16")
    assert query(view, "SELECT current_user", user="Big_Bob", dbname="Big_Shop") == "Big_Bob"
    assert query(view, "SHOW server_version", user="Big_Bob").startswith("16.")
    lab.databases.delete(REGION, "fold")
    await lab.databases.settle(REGION, "fold", 30)


async def test_connections_run_out_as_the_class_says(shop: InstanceView) -> None:
    """A db.t4g.micro takes 112 connections, three of them kept for superusers; the next one hears why."""
    assert query(shop, "SHOW max_connections") == "112"
    async with crowd(shop, 109):
        with pytest.raises(psycopg.OperationalError, match="remaining connection slots are reserved"):
            query(shop, "SELECT 1")


async def test_largest_class_starts(lab: DatabaseLab) -> None:
    """RDS stops at 5,000 connections, and this machine bears a server that would take them."""
    view = await lab.make("large", DBInstanceClass="db.r8g.24xlarge")
    assert query(view, "SHOW max_connections") == "5000"
    lab.databases.delete(REGION, "large")
    await lab.databases.settle(REGION, "large", 30)


async def test_two_instances_live_side_by_side(lab: DatabaseLab, shop: InstanceView) -> None:
    """Each has its own port, users and rows; one that goes leaves the other alone."""
    other = await lab.make("other", MasterUsername="alice")
    assert other.port != shop.port
    query(other, "CREATE TABLE only_here (x int)", user="alice")
    with pytest.raises(psycopg.OperationalError):
        query(shop, "SELECT 1", user="alice")
    with pytest.raises(AwsError, match="DB instance already exists"):
        lab.databases.create(REGION, wanted("other"))
    folders = len(list((lab.folder / "databases").iterdir()))
    lab.databases.delete(REGION, "other")
    await lab.databases.settle(REGION, "other", 30)
    assert lab.states("other") == ["creating", "available", "deleting", "deleted"]
    assert len(list((lab.folder / "databases").iterdir())) == folders - 1
    assert query(shop, "SELECT 1") == 1


async def test_stopped_instance_keeps_its_rows(lab: DatabaseLab, shop: InstanceView) -> None:
    """Stopping ends the server, starting brings it back with all that was in it."""
    query(shop, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS x")
    lab.databases.stop(REGION, "shop")
    assert lab.databases.view(REGION, "shop").state is State.STOPPING
    assert (await lab.settled("shop")).state is State.STOPPED
    with pytest.raises(psycopg.OperationalError):
        query(shop, "SELECT 1")
    with pytest.raises(AwsError, match="Instance shop is not in available state"):
        lab.databases.stop(REGION, "shop")
    lab.databases.start(REGION, "shop")
    with pytest.raises(AwsError, match="Instance shop is not stopped, it cannot be started"):
        lab.databases.start(REGION, "shop")
    again = await lab.settled("shop")
    assert (again.state, again.port) == (State.AVAILABLE, shop.port)
    assert query(again, "SELECT count(*) FROM kept") == 1000


async def test_reboot_really_restarts(lab: DatabaseLab, shop: InstanceView) -> None:
    """A reboot ends sessions and starts a new server on the same data and port."""
    with session(shop) as connection:
        started = connection.execute("SELECT pg_postmaster_start_time()").fetchone()
        lab.databases.reboot(REGION, "shop")
        again = await lab.settled("shop")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert again.port == shop.port
    assert started is not None
    assert query(again, "SELECT pg_postmaster_start_time()") > started[0]


async def test_password_changes_at_once(lab: DatabaseLab, shop: InstanceView) -> None:
    """After ModifyDBInstance the new password opens and the old one does not."""
    await lab.databases.modify(REGION, "shop", Change(master_password="quite'another\\1"))
    with pytest.raises(psycopg.OperationalError):
        query(shop, "SELECT 1")
    assert query(shop, "SELECT 1", password="quite'another\\1") == 1
    await lab.databases.modify(REGION, "shop", Change(master_password=PASSWORD))


async def test_password_changes_while_connections_are_exhausted(lab: DatabaseLab, shop: InstanceView) -> None:
    """The lab's own work uses the places that are kept for superusers."""
    async with crowd(shop, 109):
        await lab.databases.modify(REGION, "shop", Change(master_password=PASSWORD))


async def test_class_changes_with_a_restart(lab: DatabaseLab, shop: InstanceView) -> None:
    """Without ApplyImmediately the class waits for the next restart; with it the instance restarts now."""
    await lab.databases.modify(REGION, "shop", Change(instance_class="db.t4g.small"))
    waiting = lab.databases.view(REGION, "shop")
    assert (waiting.state, waiting.pending_class) == (State.AVAILABLE, "db.t4g.small")
    assert query(waiting, "SHOW max_connections") == "112"
    lab.databases.reboot(REGION, "shop")
    small = await lab.settled("shop")
    assert (small.instance_class, small.pending_class) == ("db.t4g.small", "")
    assert query(small, "SHOW max_connections") == "225"
    await lab.databases.modify(REGION, "shop", Change(instance_class="db.t4g.micro", at_once=True))
    assert lab.databases.view(REGION, "shop").state is State.MODIFYING
    assert query(await lab.settled("shop"), "SHOW max_connections") == "112"


async def test_killed_server_comes_back_with_its_rows(lab: DatabaseLab, shop: InstanceView) -> None:
    """kill -9 of the server's first process, a busy session included: committed rows are there, the journal tells."""
    query(shop, "CREATE TABLE IF NOT EXISTS survivor (x int)")
    query(shop, "INSERT INTO survivor VALUES (42)")
    busy = asyncio.create_task(asyncio.to_thread(_count_for_ever, shop))
    await lab.until(lambda: query(shop, FOREVER) > 1)
    os.kill(server_pid(lab, "shop"), signal.SIGKILL)
    await lab.until(lambda: "rebooting" in lab.states("shop")[-2:])
    again = await lab.settled("shop")
    assert again.state is State.AVAILABLE
    assert query(again, "SELECT x FROM survivor") == 42
    assert query(again, FOREVER) == 1
    await busy
    assert "was killed by signal 9" in lab.journal.since(kind="failure")[-1].detail["message"]


def _count_for_ever(view: InstanceView) -> None:
    with pytest.raises(psycopg.OperationalError):
        query(view, "SELECT count(*) AS forever FROM generate_series(1, 1e12)")


async def test_killed_session_does_not_end_the_instance(lab: DatabaseLab, shop: InstanceView) -> None:
    """kill -9 of one session's process makes PostgreSQL recover by itself; the instance stays available."""
    with session(shop) as connection:
        pid = connection.info.backend_pid
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    await lab.until(lambda: _answers(shop))
    assert lab.states("shop")[-1] == "available"


def _answers(view: InstanceView) -> bool:
    try:
        return bool(query(view, "SELECT 1") == 1)
    except psycopg.OperationalError:
        return False


async def test_server_that_ends_again_and_again_is_given_up(lab: DatabaseLab) -> None:
    """Five times within a minute are enough: failed, and it can still be deleted."""
    await lab.make("fragile")
    while lab.databases.view(REGION, "fragile").state is not State.FAILED:
        pid = server_pid(lab, "fragile")
        os.kill(pid, signal.SIGKILL)
        await lab.until(lambda gone=pid: server_pid(lab, "fragile") != gone)
        await lab.settled("fragile")
    assert lab.states("fragile").count("rebooting") == 5
    lab.databases.delete(REGION, "fragile")
    await lab.databases.settle(REGION, "fragile", 30)
    assert lab.states("fragile")[-1] == "deleted"


@pytest.mark.parametrize("program", ["initdb", "postgres", "psql"])
async def test_instance_killed_while_it_is_made_is_made_again(
    lab: DatabaseLab, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of its processes is killed first: available in the end, and the journal tells what happened."""
    name = f"tough-{program}"
    kill_when_spawned(monkeypatch, program, times=1)
    view = await lab.make(name)
    assert query(view, "SELECT 1") == 1
    told = [entry.detail["message"] for entry in lab.journal.since(kind="failure")]
    assert any(message.startswith(f"DB instance {name}: ") for message in told)
    assert "failed" not in lab.states(name)


async def test_server_killed_while_it_starts_is_started_again(
    lab: DatabaseLab, shop: InstanceView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped instance whose server is killed twice while it starts is available in the end, with its rows."""
    query(shop, "CREATE TABLE IF NOT EXISTS started (x int)")
    lab.databases.stop(REGION, "shop")
    await lab.settled("shop")
    kill_when_spawned(monkeypatch, "postgres", times=2)
    lab.databases.start(REGION, "shop")
    view = await lab.settled("shop")
    assert lab.states("shop")[-2:] == ["starting", "available"]
    assert query(view, "SELECT count(*) FROM started") == 0


async def test_server_always_killed_while_it_starts_is_given_up(
    lab: DatabaseLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failed, after some tries, with what to do next; and nothing of it runs."""
    kill_when_spawned(monkeypatch, "postgres", times=100)
    lab.databases.create(REGION, wanted("doomed"))
    assert (await lab.settled("doomed")).state is State.FAILED
    told = lab.journal.since(kind="failure")[-1].detail["message"]
    assert "ended 5 times within a minute" in told and "delete_db_instance" in told
    lab.databases.delete(REGION, "doomed")
    await lab.databases.settle(REGION, "doomed", 30)


def kill_when_spawned(monkeypatch: pytest.MonkeyPatch, program: str, times: int) -> None:
    """Kill a program's process as soon as it exists."""
    spawn, left = Spawner.spawn, times

    async def spawn_and_kill(self: Spawner, spec: ProcessSpec, output: int) -> Process:
        nonlocal left
        process = await spawn(self, spec, output)
        if spec.title == program and left:
            left -= 1
            os.kill(process.pid, signal.SIGKILL)
        return process

    monkeypatch.setattr(Spawner, "spawn", spawn_and_kill)


async def test_instance_may_be_deleted_while_it_is_made(lab: DatabaseLab) -> None:
    """Deleting waits for the creation that is under way and then removes all of it."""
    lab.databases.create(REGION, wanted("hasty"))
    lab.databases.delete(REGION, "hasty")
    with pytest.raises(AwsError, match="Instance hasty is already being deleted"):
        lab.databases.delete(REGION, "hasty")
    await lab.databases.settle(REGION, "hasty", 30)
    assert lab.states("hasty") == ["creating", "deleting", "deleted"]
    assert not lab.journal.since(kind="failure.hasty")


async def test_log_goes_to_cloudwatch_when_exported(lab: DatabaseLab, shop: InstanceView) -> None:
    """RDS's group and stream, PostgreSQL's own lines; an instance that does not export writes none."""
    view = await lab.make("chatty", **{"EnableCloudwatchLogsExports.member.1": "postgresql"})
    with pytest.raises(psycopg.errors.DivisionByZero):
        query(view, "SELECT 1 / 0")
    await lab.until(lambda: any("division by zero" in event.message for _, _, event in lab.logs))
    assert {(group, stream) for group, stream, _ in lab.logs} == {
        ("/aws/rds/instance/chatty/postgresql", "chatty.0")
    }
    await lab.databases.modify(REGION, "chatty", Change(exports_log=False))
    before = len(lab.logs)
    with pytest.raises(psycopg.errors.DivisionByZero):
        query(view, "SELECT 1 / 0")
    query(view, "SELECT 1")
    assert len(lab.logs) == before


async def test_creation_that_fails_is_seen(lab: DatabaseLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """An instance whose PostgreSQL does not start becomes failed, and the journal has PostgreSQL's own words."""
    monkeypatch.setattr("labhelpers.database.postgres._SETTINGS", "no_such_setting = 1\n")
    lab.databases.create(REGION, wanted("broken"))
    assert (await lab.settled("broken")).state is State.FAILED
    assert "no_such_setting" in lab.journal.since(kind="failure")[-1].detail["message"]
    lab.databases.delete(REGION, "broken")
    await lab.databases.settle(REGION, "broken", 30)


async def test_taken_port_is_left_to_its_owner(lab: DatabaseLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that somebody takes between the look and the start is given up for another one."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    taken = server.sockets[0].getsockname()[1]
    monkeypatch.setattr("labhelpers.database.postgres._is_free", bool)
    free = iter([taken, *range(31_000, 32_000)])
    monkeypatch.setattr("labhelpers.database.postgres.Server._free_port", lambda server: next(free))
    view = await lab.make("squeezed")
    assert view.port != taken and query(view, "SELECT 1") == 1
    server.close()
    await server.wait_closed()


def _shared_memory() -> set[str]:
    """The shared memory of PostgreSQLs that have ended: System V's, and files."""
    found = {str(path) for path in Path("/dev/shm").glob("PostgreSQL.*")}
    with contextlib.suppress(OSError):
        for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]:
            key, _, _, size, _, _, attached, *_ = line.split()
            if (size, attached) == ("56", "0"):
                found.add(key)
    return found


@pytest.mark.parametrize("moment_s", [0.1, 0.25])
async def test_closing_while_an_instance_is_made_leaves_nothing(moment_s: float) -> None:
    """Shared memory outlives processes, also those that initdb starts."""
    before = _shared_memory()
    async with database_lab() as lab:
        lab.databases.create(REGION, wanted("unfinished"))
        await asyncio.sleep(moment_s)
    # Others may start and end their servers meanwhile.
    await lab.until(lambda: not _shared_memory() - before)


async def test_closing_leaves_nothing() -> None:
    """Servers, busy sessions, shared memory and folders go with the lab, quickly."""
    async with database_lab() as lab:
        views = [await lab.make("one"), await lab.make("two")]
        busy = [asyncio.create_task(asyncio.to_thread(_count_for_ever, view)) for view in views]
        for view in views:
            await lab.until(
                lambda view=view: query(view, FOREVER) > 1  # type: ignore[misc]
            )
        assert processes_in(lab.folder)
        began = asyncio.get_running_loop().time()
        await lab.databases.close()
        assert asyncio.get_running_loop().time() - began < 3
        assert not processes_in(lab.folder)
        assert not list((lab.folder / "databases").iterdir())
        await asyncio.gather(*busy)
