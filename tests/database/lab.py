"""Databases with a real guardian and a real PostgreSQL behind them, for the tests here and of the RDS service."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from labhelpers.database.installation import installations
from labhelpers.database.instance import InstanceView
from labhelpers.database.instances import Databases
from labhelpers.database.rules import NewInstance, new_instance
from labhelpers.database.states import State
from labhelpers.journal import Journal
from labhelpers.model import LogEvent
from labhelpers.processes.spawner import Spawner

REGION = "us-east-1"
PASSWORD = r"it's-a-$ecret\x"
PATIENCE_S = 60.0


@dataclass
class DatabaseLab:
    """Databases, what they wrote down, and their folder."""

    databases: Databases
    spawner: Spawner
    journal: Journal
    folder: Path
    logs: list[tuple[str, str, LogEvent]] = field(default_factory=list)

    def states(self, identifier: str) -> list[str]:
        """The states that the journal saw an instance take."""
        entries = self.journal.since(kind="database.state")
        return [entry.detail["state"] for entry in entries if entry.resource.endswith(f":db:{identifier}")]

    async def settled(self, identifier: str) -> InstanceView:
        """Wait until nothing is under way any more."""
        await self.databases.settle(REGION, identifier, PATIENCE_S)
        return self.databases.view(REGION, identifier)

    async def make(self, identifier: str, **parameters: str) -> InstanceView:
        """Create an instance and wait until it is available."""
        self.databases.create(REGION, wanted(identifier, **parameters))
        view = await self.settled(identifier)
        assert view.state is State.AVAILABLE, self.journal.since(kind="failure")
        return view

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that no call announces."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - what it asks knows no events
                await asyncio.sleep(0.01)


def wanted(identifier: str, **parameters: str) -> NewInstance:
    """A valid new instance; `parameters` are RDS's own and replace the usual ones."""
    usual = {
        "Engine": "postgres",
        "DBInstanceIdentifier": identifier,
        "DBInstanceClass": "db.t4g.micro",
        "AllocatedStorage": "20",
        "MasterUsername": "bob",
        "MasterUserPassword": PASSWORD,
    }
    return new_instance(usual | parameters, installations())


@asynccontextmanager
async def database_lab() -> AsyncIterator[DatabaseLab]:
    """A lab with databases only; closing it must leave nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="labhelpers-test-"))
    spawner, journal = Spawner(folder), Journal()
    await spawner.start()
    lab = DatabaseLab(
        Databases(
            folder / "databases",
            spawner,
            journal,
            "123456789012",
            write_logs=lambda group, stream, events: lab.logs.extend(
                (group, stream, each) for each in events
            ),
        ),
        spawner,
        journal,
        folder,
    )
    try:
        yield lab
    finally:
        await lab.databases.close()
        left = processes_in(folder)
        await spawner.close()
        assert not left and not os.path.exists(folder)  # noqa: ASYNC240 - one look


@contextmanager
def session(view: InstanceView, **options: Any) -> Iterator[psycopg.Connection]:
    """A connection as the learner's code makes it; autocommit, closed at the end."""
    usual = {
        "host": view.address,
        "port": view.port,
        "user": "bob",
        "password": PASSWORD,
        "dbname": "postgres",
    }
    with psycopg.connect(**(usual | options), autocommit=True, connect_timeout=20) as connection:
        yield connection


def query(view: InstanceView, statement: str, **options: Any) -> Any:
    """The first value of a statement's first row, or None without rows."""
    with session(view, **options) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def processes_in(folder: Path) -> list[str]:
    """What still works in a folder below `folder`: PostgreSQL's processes do, all their life."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(folder):
                found.append(process.name())
        except (psutil.Error, OSError):
            continue
    return found
