"""A thousand messages from bucket to function to queue to function to table, while all that can be killed is killed."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import psutil
import psycopg
import pytest

from labhelpers import Lab, pip_layer
from labhelpers.course.pipeline import connect_bucket
from tests.conftest import lab_processes, wait_for
from tests.deployment_packages import make_zip

COUNT = 1000
SEED = 2026
SPEED = 60  # A minute's wait for a retry is a second.
UPLOADS_TAKE_S = 16.0
PATIENCE_S = 75.0
VISIBILITY_S = 300  # Of the lab's time, so 5 s: longer than the function's timeout, which is in real time.
FUNCTION_TIMEOUT_S = 4
RECEIVES = 3
UNFIT_TO_FORWARD, UNFIT_TO_STORE = 13, 57  # Of each hundred uploads these two never succeed.

FORWARD = f"""
import json, os, time, boto3
from urllib.parse import unquote_plus
sqs = boto3.client("sqs")
def handler(event, context):
    key = unquote_plus(event["Records"][0]["s3"]["object"]["key"])
    if int(key) % 100 == {UNFIT_TO_FORWARD}:
        raise ValueError(f"{{key}} cannot be forwarded")
    body = json.dumps({{"key": key, "forwarded_by": context.aws_request_id}})
    sqs.send_message(QueueUrl=os.environ["WORK"], MessageBody=body)
    time.sleep(0.01)  # Time to be killed after the work and before the answer.
"""
STORE = f"""
import json, os, time, psycopg
connection = None
INSERT = "INSERT INTO arrivals VALUES (%s, %s, %s, %s, %s)"
def handler(event, context):
    global connection
    if connection is None or connection.closed:
        connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, connect_timeout=2)
    failed = []
    for record in event["Records"]:
        body = json.loads(record["body"])
        if int(body["key"]) % 100 == {UNFIT_TO_STORE}:
            failed.append({{"itemIdentifier": record["messageId"]}})
            continue
        receives = int(record["attributes"]["ApproximateReceiveCount"])
        row = [body["key"], body["forwarded_by"], record["messageId"], receives, context.aws_request_id]
        connection.execute(INSERT, row)
        time.sleep(0.005)
    return {{"batchItemFailures": failed}}
"""
TABLE = """
    CREATE TABLE arrivals (
        object_key text, forwarded_by text, message_id text, receives int, stored_by text
    )
"""


@dataclass(frozen=True)
class Arrival:
    """A row of the table: which object, and which call, message and delivery brought it."""

    key: str
    forwarded_by: str
    message_id: str
    receives: int
    stored_by: str


class Line:
    """The line under test: bucket `arrivals`, function `forward`, queue `work`, function `store`, table `arrivals`."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.s3, self.functions, self.sqs, self.rds = (
            boto3.client(name) for name in ("s3", "lambda", "sqs", "rds")
        )
        self.url = self._database()
        self.dead_url, self.dead_arn = self._queue("dead")
        self.failed_url, self.failed_arn = self._queue("failed")
        redrive = json.dumps({"deadLetterTargetArn": self.dead_arn, "maxReceiveCount": RECEIVES})
        self.work_url, self.work_arn = self._queue(
            "work", VisibilityTimeout=str(VISIBILITY_S), RedrivePolicy=redrive
        )
        self._function(
            "store", STORE, {"DATABASE_URL": self.url}, Layers=[pip_layer("db", "psycopg[binary]")]
        )
        self._function("forward", FORWARD, {"WORK": self.work_url})
        self.functions.put_function_event_invoke_config(
            FunctionName="forward", DestinationConfig={"OnFailure": {"Destination": self.failed_arn}}
        )
        self.mapping = self.connect()
        self.s3.create_bucket(Bucket="arrivals")
        connect_bucket("arrivals", "forward")

    def _database(self) -> str:
        self.rds.create_db_instance(
            DBInstanceIdentifier="records",
            Engine="postgres",
            DBInstanceClass="db.t4g.micro",
            AllocatedStorage=20,
            MasterUsername="course",
            MasterUserPassword="not-a-secret",
            DBName="course",
        )
        self.rds.get_waiter("db_instance_available").wait(
            DBInstanceIdentifier="records", WaiterConfig={"Delay": 0.2, "MaxAttempts": 300}
        )
        endpoint = self.rds.describe_db_instances()["DBInstances"][0]["Endpoint"]
        url = f"host={endpoint['Address']} port={endpoint['Port']} user=course password=not-a-secret dbname=course"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(TABLE)
        return url

    def _queue(self, name: str, **attributes: str) -> tuple[str, str]:
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url, f"arn:aws:sqs:{self.lab.region}:{self.lab.account_id}:{name}"

    def _function(self, name: str, source: str, variables: dict[str, str], **settings: Any) -> None:
        self.functions.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=self.lab.role_arn,
            Handler="index.handler",
            Code={"ZipFile": make_zip({"index.py": source})},
            Environment={"Variables": variables},
            Timeout=FUNCTION_TIMEOUT_S,
            **settings,
        )
        self.functions.get_waiter("function_active_v2").wait(FunctionName=name)

    def connect(self) -> str:
        """Have `store` poll the queue; the mapping's UUID once it does."""
        made = self.functions.create_event_source_mapping(
            EventSourceArn=self.work_arn,
            FunctionName="store",
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )
        self.mapping_is(made["UUID"], "Enabled")
        return str(made["UUID"])

    def mapping_is(self, uuid: str, state: str) -> None:
        """Wait for a state of the mapping."""
        wait_for(
            lambda: self.functions.get_event_source_mapping(UUID=uuid)["State"] == state, f"a mapping {state}"
        )

    def upload(self) -> None:
        """Put all objects, evenly over `UPLOADS_TAKE_S`."""
        started = time.monotonic()
        for number in range(COUNT):
            time.sleep(max(0.0, started + number * UPLOADS_TAKE_S / COUNT - time.monotonic()))
            self.s3.put_object(Bucket="arrivals", Key=str(number), Body=b"x")

    def at_rest(self) -> bool:
        """Whether nothing is on its way any more: no event, no message that is waiting or in flight."""
        events = Counter(entry["kind"] for entry in self.lab.journal(kind="invoke."))
        names = ("", "NotVisible", "Delayed")
        attributes = [f"ApproximateNumberOfMessages{name}" for name in names]
        depths = self.sqs.get_queue_attributes(QueueUrl=self.work_url, AttributeNames=attributes)[
            "Attributes"
        ]
        forwarded = [
            entry for entry in self.lab.journal(kind="invoke.ended") if "forward" in entry["resource"]
        ]
        done = sum(entry["detail"]["status"] == "success" for entry in forwarded) + events["invoke.delivered"]
        return done == COUNT and not any(int(depth) for depth in depths.values())

    def arrivals(self) -> list[Arrival]:
        """The table, once its server lets us in."""

        def read() -> list[Arrival]:
            try:
                with psycopg.connect(self.url, connect_timeout=2) as connection:
                    return [Arrival(*row) for row in connection.execute("SELECT * FROM arrivals")]
            except psycopg.OperationalError:
                return []

        found: list[Arrival] = wait_for(read, "the table")
        return found

    def messages(self, url: str) -> list[dict[str, Any]]:
        """All messages of a queue."""
        found: list[dict[str, Any]] = []
        while batch := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found += batch
        return found


@dataclass
class Faults:
    """What breaks: `plan` in an order by `SEED`, one each `pause_s`. `done` counts what was really hit, by name."""

    line: Line
    done: Counter[str] = field(default_factory=Counter)

    def plan(self) -> list[str]:
        """The faults in their order."""
        often = ["kill forward"] * 30 + ["kill store"] * 25
        seldom = ["kill PostgreSQL"] * 3 + ["reboot database", "kill guardian", "recreate mapping"]
        seldom += ["pause mapping"] * 3 + ["stop forward", "stop store", "update forward", "update store"]
        faults = often + seldom
        random.Random(SEED).shuffle(faults)
        return faults

    def run(self) -> None:
        """Do them all while objects are uploaded."""
        chance = random.Random(SEED)
        faults = self.plan()
        for fault in faults:
            name, _, what = fault.partition(" ")
            actions: dict[str, Callable[[str], None]] = {
                "kill": self._kill,
                "reboot": self._reboot,
                "recreate": self._recreate_mapping,
                "pause": self._pause_mapping,
                "stop": self._stop,
                "update": self._update,
            }
            actions[name](what)
            time.sleep(chance.uniform(0.5, 1.5) * UPLOADS_TAKE_S / len(faults) / 2)

    def _kill(self, what: str) -> None:
        for process in lab_processes(self.line.lab.pid)[1:]:
            try:
                if self._is(process, what):
                    process.kill()
                    self.done[f"kill {what}"] += 1
                    return
            except psutil.NoSuchProcess:
                continue

    def _is(self, process: psutil.Process, what: str) -> bool:
        if what == "guardian":
            return process.ppid() == self.line.lab.pid
        if what == "PostgreSQL":
            serves = (
                self.line.rds.describe_db_instances()["DBInstances"][0]["DBInstanceStatus"] == "available"
            )
            return serves and process.name() == "postgres" and "-D" in process.cmdline()
        return process.name() == what

    def _reboot(self, _: str) -> None:
        try:
            self.line.rds.reboot_db_instance(DBInstanceIdentifier="records")
        except self.line.rds.exceptions.InvalidDBInstanceStateFault:
            return  # It is down already.
        self.done["reboot database"] += 1

    def _pause_mapping(self, _: str) -> None:
        for enabled, state in ((False, "Disabled"), (True, "Enabled")):
            self.line.functions.update_event_source_mapping(UUID=self.line.mapping, Enabled=enabled)
            self.line.mapping_is(self.line.mapping, state)
        self.done["pause mapping"] += 1

    def _recreate_mapping(self, _: str) -> None:
        gone = self.line.functions.delete_event_source_mapping(UUID=self.line.mapping)["UUID"]
        listed = self.line.functions.list_event_source_mappings
        wait_for(
            lambda: gone not in [one["UUID"] for one in listed()["EventSourceMappings"]], "the mapping's end"
        )
        self.line.mapping = self.line.connect()
        self.done["recreate mapping"] += 1

    def _stop(self, function: str) -> None:
        """Reserved concurrency 0 for half a minute of the lab's time: every call is throttled."""
        self.line.functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
        time.sleep(0.5)
        self.line.functions.delete_function_concurrency(FunctionName=function)
        self.done[f"stop {function}"] += 1

    def _update(self, function: str) -> None:
        self.line.functions.update_function_configuration(FunctionName=function, MemorySize=256)
        self.line.functions.get_waiter("function_updated_v2").wait(FunctionName=function)
        self.done[f"update {function}"] += 1


@dataclass(frozen=True)
class Outcome:
    """What was found when all had come to rest."""

    arrivals: list[Arrival]
    dead: list[dict[str, Any]]
    reports: list[dict[str, Any]]
    journal: list[dict[str, Any]]
    faults: Counter[str]

    def entries(self, kind: str, resource: str = "") -> list[dict[str, Any]]:
        """The journal's entries of a kind, of the resource whose ARN ends with `resource`."""
        return [one for one in self.journal if one["kind"] == kind and one["resource"].endswith(resource)]


def key_of(report: dict[str, Any]) -> str:
    """The object that a destination's record tells of."""
    return str(report["requestPayload"]["Records"][0]["s3"]["object"]["key"])


@pytest.fixture(scope="module")
def outcome() -> Iterator[Outcome]:
    """The uploads and the faults, run once."""
    with Lab(clock_speed=SPEED, concurrency=200) as lab:
        line = Line(lab)
        faults = Faults(line)
        uploads = threading.Thread(target=line.upload)
        uploads.start()
        try:
            faults.run()
        finally:
            uploads.join()
        wait_for(line.at_rest, "everything to come to rest", PATIENCE_S)
        dead = [json.loads(one["Body"]) | {"id": one["MessageId"]} for one in line.messages(line.dead_url)]
        reports = [json.loads(one["Body"]) for one in line.messages(line.failed_url)]
        yield Outcome(line.arrivals(), dead, reports, lab.journal(), faults.done)


pytestmark = pytest.mark.slow


def test_every_upload_is_somewhere(outcome: Outcome) -> None:
    """Each of the thousand is in the table, in the dead-letter queue or at the destination; none is invented."""
    stored = {arrival.key for arrival in outcome.arrivals}
    dead = {message["key"] for message in outcome.dead}
    reported = {key_of(report) for report in outcome.reports}
    assert stored | dead | reported == {str(number) for number in range(COUNT)}
    unfit = {int(key) % 100 for key in reported - stored - dead}, {int(key) % 100 for key in dead - stored}
    assert UNFIT_TO_FORWARD in unfit[0]
    assert UNFIT_TO_STORE in unfit[1]
    assert len(stored) > COUNT * 9 // 10


def test_the_faults_have_hit(outcome: Outcome) -> None:
    """The run was what it says: functions, the database and the poller were hit again and again."""
    faults = outcome.faults
    assert faults["kill forward"] >= 15
    assert faults["kill store"] >= 12
    assert faults["kill PostgreSQL"] >= 2
    assert faults["pause mapping"] == 3
    failed = [one for one in outcome.entries("invoke.ended") if one["detail"]["status"] != "success"]
    assert len(failed) >= 30


def test_no_delivery_is_stored_twice(outcome: Outcome) -> None:
    """A row more than one needs a new message or a new delivery of it: the lab runs none twice."""
    deliveries = Counter((arrival.message_id, arrival.receives) for arrival in outcome.arrivals)
    assert set(deliveries.values()) == {1}


def test_every_second_row_follows_a_failure(outcome: Outcome) -> None:
    """A message came again because the call that had stored it failed, an upload because a try of `forward` failed."""
    failed_batches = {one["request_id"] for one in outcome.entries("sqs.batch") if one["detail"]["reason"]}
    by_message = defaultdict(list)
    messages = defaultdict(set)
    for arrival in outcome.arrivals:
        by_message[arrival.message_id].append(arrival)
        messages[arrival.forwarded_by].add(arrival.message_id)
    for message in outcome.dead:
        messages[message["forwarded_by"]].add(message["id"])
    for rows in by_message.values():
        *earlier, _ = sorted(rows, key=lambda row: row.receives)
        assert {row.stored_by for row in earlier} <= failed_batches
    tries = Counter(one["request_id"] for one in outcome.entries("invoke.ended", ":forward"))
    assert all(len(found) <= tries[request] <= 3 for request, found in messages.items())
    assert len({arrival.key for arrival in outcome.arrivals}) == len(
        {arrival.forwarded_by for arrival in outcome.arrivals}
    )


def test_nothing_is_silent(outcome: Outcome) -> None:
    """What was accepted, dropped, put aside, tried again and killed is in the journal, each as often as it happened."""
    assert outcome.journal[0]["seq"] == 1
    assert len(outcome.entries("s3.event", ":arrivals")) == COUNT
    assert len(outcome.entries("invoke.queued", ":forward")) == COUNT
    dropped = [one["request_id"] for one in outcome.entries("invoke.dropped")]
    assert sorted(dropped) == sorted(report["requestContext"]["requestId"] for report in outcome.reports)
    put_aside = [one["detail"]["message_id"] for one in outcome.entries("sqs.dead_letter", ":work")]
    assert sorted(put_aside) == sorted(message["id"] for message in outcome.dead)
    failures = [one["detail"]["message"] for one in outcome.entries("failure")]
    assert not [failure for failure in failures if "lab itself" in failure]
    restarts = outcome.faults["kill PostgreSQL"] + outcome.faults["kill guardian"]
    assert sum("DB instance records: PostgreSQL" in failure for failure in failures) == restarts
    states = Counter(one["detail"]["state"] for one in outcome.entries("mapping.state"))
    assert states["Disabled"] >= outcome.faults["pause mapping"]
