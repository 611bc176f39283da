"""The bridge to moto in this process: events of objects, logs, queues, identities, and what is refused."""

from __future__ import annotations

import asyncio
import errno
import gc
import io
import json
import tempfile
import threading
import time
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from multidict import CIMultiDict

from labhelpers.cloud.credentials import Keys
from labhelpers.cloud.denials import Denied
from labhelpers.cloud.moto_bridge import MotoBridge
from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.errors import AwsError, NotEmulated
from labhelpers.events.s3 import S3ObjectEvent
from labhelpers.events.s3_notifications import NotificationConfiguration
from labhelpers.journal import Journal
from labhelpers.model import Account, LaterLogEvents, LogEvent
from tests.conftest import PATIENCE_S

TARGETS = {
    "sqs": "AmazonSQS",
    "logs": "Logs_20140328",
    "events": "AWSEvents",
    "dynamodb": "DynamoDB_20120810",
    "ssm": "AmazonSSM",
}


class BridgeUnderTest:
    """A bridge with short ways to call it, and the object events that it told of."""

    def __init__(self) -> None:
        self.account = Account()
        self.journal = Journal()
        self.keys = Keys(self.account)
        self.bridge = MotoBridge(self.account, self.keys, self.journal)
        self.events: list[S3ObjectEvent] = []
        self.bridge.on_s3_event = self.events.append

    async def send(
        self,
        service: str,
        method: str,
        path: str,
        query: str,
        headers: dict[str, str],
        body: bytes,
        **more: Any,
    ) -> AwsResponse:
        """A call as the front door hands it on."""
        request = AwsRequest(
            method,
            path,
            query,
            CIMultiDict({"Host": "127.0.0.1:1", "Content-Length": str(len(body)), **headers}),
            body,
            self.keys.lab,
            service,
            "us-east-1",
            "10.0.0.7",
            "REQUEST-1",
            "127.0.0.1:1",
            **more,
        )
        return await self.bridge.handle(request)

    async def s3(
        self, method: str, path: str, body: bytes = b"", query: str = "", **headers: str
    ) -> AwsResponse:
        """A call of S3; `path` is raw."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.send("s3", method, path, query, named, body)

    async def json(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """A call of a service that speaks JSON; its parsed answer. AssertionError for an error."""
        headers = {
            "X-Amz-Target": f"{TARGETS[service]}.{operation}",
            "Content-Type": "application/x-amz-json-1.0",
        }
        response = await self.send(service, "POST", "/", "", headers, json.dumps(parameters).encode())
        assert response.status == 200, response.body
        answer: dict[str, Any] = json.loads(response.body or b"{}")
        return answer

    async def query(self, service: str, **parameters: str) -> AwsResponse:
        """A call of a service that speaks the query protocol."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self.send(service, "POST", "/", "", headers, urlencode(parameters).encode())

    def take_events(self) -> list[tuple[str, str]]:
        """Name and key of the events since the last time."""
        taken = [(event.name, event.key) for event in self.events]
        self.events.clear()
        return taken


@asynccontextmanager
async def running() -> AsyncIterator[BridgeUnderTest]:
    """A bridge that is closed at the end."""
    made = BridgeUnderTest()
    try:
        yield made
    finally:
        await made.bridge.close()


# --- S3's events ---


async def test_what_is_replaced_is_let_go() -> None:
    """Objects and items that nobody can reach any more take no memory and no disk."""
    async with running() as lab:
        await lab.s3("PUT", "/some-bucket")
        await lab.s3("PUT", "/some-bucket/key", b"first")
        key = await lab.bridge.run(lambda: weakref.ref(lab.bridge._s3.bucket("some-bucket").keys["key"]))
        await lab.s3("PUT", "/some-bucket/key", b"second")
        await lab.bridge.run(gc.collect)
        assert key() is None


async def test_upload_that_fails_leaves_nothing_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk may have failed because it is full."""
    opened: list[_FullDisk] = []

    def open_file(size: int) -> _FullDisk:
        opened.append(_FullDisk())
        return opened[-1]

    async with running() as lab:
        await lab.s3("PUT", "/some-bucket")
        monkeypatch.setattr(tempfile, "SpooledTemporaryFile", open_file)
        with pytest.raises(OSError, match="No space"):
            await lab.s3("PUT", "/some-bucket/key", bytes(8 * 1024 * 1024 + 1))
        async with asyncio.timeout(10):
            while not opened[-1].closed:  # noqa: ASYNC110 - the garbage collector tells nobody
                await asyncio.sleep(0.01)


class _FullDisk(io.BytesIO):
    """A temporary file that cannot be written."""

    def write(self, data: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


async def test_every_change_of_an_object_is_one_event() -> None:
    """What a request did, once each: also for a multipart upload and an upload with tags."""
    async with running() as lab:
        bucket = "/changes-bucket"
        await lab.s3("PUT", bucket)
        await lab.s3("PUT", f"{bucket}/a%20b%2Bc", b"hello", x_amz_tagging="k=v")
        assert lab.take_events() == [("ObjectCreated:Put", "a b+c")]
        await lab.s3("PUT", f"{bucket}/copy", x_amz_copy_source=f"{bucket}/a%20b%2Bc")
        assert lab.take_events() == [("ObjectCreated:Copy", "copy")]
        tags = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
        await lab.s3("PUT", f"{bucket}/copy", tags, "tagging")
        await lab.s3("DELETE", f"{bucket}/copy", query="tagging")
        await lab.s3("PUT", f"{bucket}/copy", query="acl", x_amz_acl="public-read")
        assert lab.take_events() == [
            ("ObjectTagging:Put", "copy"),
            ("ObjectTagging:Delete", "copy"),
            ("ObjectAcl:Put", "copy"),
        ]
        await lab.s3("DELETE", f"{bucket}/copy")
        assert lab.take_events() == [("ObjectRemoved:Delete", "copy")]
        await lab.s3("DELETE", f"{bucket}/copy")
        await lab.s3("GET", f"{bucket}/a%20b%2Bc")
        assert lab.take_events() == []


async def test_multipart_upload_is_one_event() -> None:
    """Its parts are none."""
    async with running() as lab:
        await lab.s3("PUT", "/multipart-bucket")
        started = await lab.s3("POST", "/multipart-bucket/big", query="uploads")
        upload = started.body.split(b"<UploadId>")[1].split(b"<")[0].decode()
        part = await lab.s3("PUT", "/multipart-bucket/big", b"x" * 10, f"partNumber=1&uploadId={upload}")
        etag = part.headers.get("ETag") or part.headers["etag"]
        part_xml = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
        body = f"<CompleteMultipartUpload>{part_xml}</CompleteMultipartUpload>"
        await lab.s3("POST", "/multipart-bucket/big", body.encode(), f"uploadId={upload}")
        assert lab.take_events() == [("ObjectCreated:CompleteMultipartUpload", "big")]


async def test_deleting_many_objects_is_an_event_each() -> None:
    """Only for those that were there, with a quiet answer as well."""
    async with running() as lab:
        await lab.s3("PUT", "/many-bucket")
        for key in ("a", "b"):
            await lab.s3("PUT", f"/many-bucket/{key}", b"x")
        lab.take_events()
        keys = "".join(f"<Object><Key>{key}</Key></Object>" for key in ("a", "b", "missing"))
        await lab.s3("POST", "/many-bucket", f"<Delete><Quiet>true</Quiet>{keys}</Delete>".encode(), "delete")
        assert lab.take_events() == [("ObjectRemoved:Delete", "a"), ("ObjectRemoved:Delete", "b")]


async def test_versions_and_delete_markers_are_told() -> None:
    """In a versioned bucket a delete makes a marker; deleting a version removes it."""
    async with running() as lab:
        await lab.s3("PUT", "/versions-bucket")
        status = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
        await lab.s3("PUT", "/versions-bucket", status, "versioning")
        await lab.s3("PUT", "/versions-bucket/k", b"one")
        version = lab.events[0].version_id
        assert version
        await lab.s3("DELETE", "/versions-bucket/k")
        await lab.s3("DELETE", "/versions-bucket/k", query=f"versionId={version}")
        assert lab.events[1].version_id not in ("", version)
        assert lab.events[2].version_id == version
        assert [name for name, _ in lab.take_events()] == [
            "ObjectCreated:Put",
            "ObjectRemoved:DeleteMarkerCreated",
            "ObjectRemoved:Delete",
        ]


async def test_event_tells_who_did_what_from_where() -> None:
    """Size, eTag, requester, address and request id are those of the request; sequencers grow."""
    async with running() as lab:
        await lab.s3("PUT", "/details-bucket")
        before = time.time()
        for body in (b"12345", b"1234567"):
            await lab.s3("PUT", "/details-bucket/k", body)
        first, second = lab.events
        assert (first.size, second.size) == (5, 7)
        assert first.etag == "827ccb0eea8a706c4c34a16891f84e7b"
        assert first.principal.startswith("AWS:AIDA")
        assert (first.source_ip, first.request_id, first.version_id) == ("10.0.0.7", "REQUEST-1", "")
        assert first.sequencer < second.sequencer
        assert before - 1 < first.at < time.time() + 1
        assert [entry.detail["key"] for entry in lab.journal.since(0, "s3.event")] == ["k", "k"]


async def test_restored_object_is_told_twice() -> None:
    """When it is asked for, and when it is there, with the time until which it is."""
    async with running() as lab:
        await lab.s3("PUT", "/archive-bucket")
        await lab.s3("PUT", "/archive-bucket/k", b"old", x_amz_storage_class="GLACIER")
        lab.take_events()
        body = b"<RestoreRequest><Days>2</Days></RestoreRequest>"
        assert (await lab.s3("POST", "/archive-bucket/k", body, "restore")).status == 202
        await lab.s3("HEAD", "/archive-bucket/k")
        asked, done = lab.events
        assert (asked.name, done.name) == ("ObjectRestore:Post", "ObjectRestore:Completed")
        assert asked.storage_class == done.storage_class == "GLACIER"
        assert done.restored_until is not None and abs(done.restored_until - time.time() - 2 * 86400) < 60


async def test_failed_request_is_no_event() -> None:
    """Nothing happened to an object in a bucket that is not there."""
    async with running() as lab:
        assert (await lab.s3("PUT", "/missing-bucket/k", b"x")).status == 404
        assert lab.take_events() == []


# --- Notification configurations ---

CONFIGURATION = (
    b"<NotificationConfiguration><CloudFunctionConfiguration><Id>one</Id>"
    b"<CloudFunction>arn:aws:lambda:us-east-1:123456789012:function:f</CloudFunction>"
    b"<Event>s3:ObjectCreated:*</Event></CloudFunctionConfiguration></NotificationConfiguration>"
)


async def test_notification_configuration_is_kept_once_it_is_valid() -> None:
    """The check may refuse it; else it is there for the trigger and for GetBucketNotificationConfiguration."""
    async with running() as lab:
        asked: list[tuple[str, bool]] = []

        async def validate(
            bucket: str,
            configuration: NotificationConfiguration,
            *,
            skip_destinations: bool = False,
            request_id: str = "",
            host_id: str = "",
        ) -> None:
            asked.append((bucket, skip_destinations))
            if not skip_destinations:
                raise AwsError(
                    "InvalidArgument", "Unable to validate the following destination configurations"
                )

        lab.bridge.validate_notifications = validate
        await lab.s3("PUT", "/notified-bucket")
        with pytest.raises(AwsError, match="Unable to validate"):
            await lab.s3("PUT", "/notified-bucket", CONFIGURATION, "notification")
        assert not lab.bridge.s3_notifications("notified-bucket").rules
        skip = {"x_amz_skip_destination_validation": "true"}
        await lab.s3("PUT", "/notified-bucket", CONFIGURATION, "notification", **skip)
        assert asked == [("notified-bucket", False), ("notified-bucket", True)]
        assert [rule.id for rule in lab.bridge.s3_notifications("notified-bucket").rules] == ["one"]
        shown = await lab.s3("GET", "/notified-bucket", query="notification")
        assert b"<Id>one</Id>" in shown.body
        await lab.s3("DELETE", "/notified-bucket")
        assert not lab.bridge.s3_notifications("notified-bucket").rules


async def test_object_bytes_are_had_by_bucket_key_and_version() -> None:
    """For code that lies in S3; what is missing gets S3's own error."""
    async with running() as lab:
        await lab.s3("PUT", "/code-bucket")
        await lab.s3("PUT", "/code-bucket/code.zip", b"zip")
        assert await lab.bridge.object_bytes("code-bucket", "code.zip") == b"zip"
        for bucket, key, version, code in (
            ("code-bucket", "other", "", "NoSuchKey"),
            ("code-bucket", "code.zip", "v1", "NoSuchVersion"),
            ("no-bucket", "code.zip", "", "NoSuchBucket"),
        ):
            with pytest.raises(AwsError) as caught:
                await lab.bridge.object_bytes(bucket, key, version)
            assert (caught.value.code, caught.value.status) == (code, 404)


# --- Logs ---


async def test_written_logs_are_there_at_the_next_call() -> None:
    """Group and stream appear with the first line; the order of writing is kept."""
    async with running() as lab:
        for number in range(50):
            lab.bridge.write_logs(
                "/aws/lambda/f", "stream", [LogEvent(1_700_000_000_000 + number, f"line {number}")]
            )
        found = await lab.json(
            "logs", "GetLogEvents", logGroupName="/aws/lambda/f", logStreamName="stream", startFromHead=True
        )
        assert [event["message"] for event in found["events"]] == [f"line {number}" for number in range(50)]


async def test_logs_are_worded_when_somebody_looks_and_dated_when_they_were_written() -> None:
    """Nobody pays for what nobody reads; what is read has the moment at which it came in."""
    asked = []

    def word(text: str) -> list[LogEvent]:
        asked.append(text)
        return [LogEvent(1_700_000_000_000, text)]

    async with running() as lab:
        lab.bridge.write_logs("/group", "stream", LaterLogEvents(word, ("first",)))
        assert not asked and lab.bridge.log_group_exists("/group")
        await asyncio.sleep(0.2)  # That much later more comes, and is read.
        lab.bridge.write_logs("/group", "stream", LaterLogEvents(word, ("second",)))
        found = (await lab.json("logs", "GetLogEvents", logGroupName="/group", logStreamName="stream"))[
            "events"
        ]
        assert [event["message"] for event in found] == ["first", "second"] == asked
        assert found[1]["ingestionTime"] - found[0]["ingestionTime"] >= 200
        assert lab.bridge.log_group_exists("/group") and not lab.bridge.log_group_exists("/other")
        described = await lab.json("logs", "DescribeLogStreams", logGroupName="/group")
        assert described["logStreams"][0]["lastIngestionTime"] == found[1]["ingestionTime"]


async def test_logs_are_written_bit_by_bit_when_the_rain_is_over() -> None:
    """Not while much comes; afterwards all of it, in order, though nobody looks."""
    asked: list[int] = []
    all_asked = threading.Event()

    def word(number: int) -> list[LogEvent]:
        asked.append(number)
        if number == 2999:
            all_asked.set()
        return [LogEvent(number, str(number))]

    async with running() as lab:
        written = 0
        for _ in range(30):  # For three of the moments at which it is looked at.
            for _ in range(100):
                lab.bridge.write_logs("/group", "stream", LaterLogEvents(word, (written,)))
                written += 1
            await asyncio.sleep(0.005)
        assert not asked
        assert await asyncio.to_thread(all_asked.wait, PATIENCE_S)
        assert asked == list(range(written)) == list(range(3000))
        await lab.bridge.run(lambda: None)
        assert lab.bridge.log_group_exists("/group") and not lab.bridge._unwritten.groups


async def test_stream_that_cannot_be_written_holds_up_no_other() -> None:
    """Its failure is in the journal."""
    async with running() as lab:
        lab.bridge.write_logs("/bad", "stream", [LogEvent(1, None)])  # type: ignore[arg-type]
        lab.bridge.write_logs("/good", "stream", [LogEvent(1, "kept")])
        found = await lab.json("logs", "FilterLogEvents", logGroupName="/good")
        assert [event["message"] for event in found["events"]] == ["kept"]
        assert lab.journal.since(0, "failure")


async def test_many_log_events_are_filtered_quickly() -> None:
    """A hundred thousand lines: page by page, and by a term."""
    async with running() as lab:
        at = int(time.time() * 1000)
        events = [
            LogEvent(at + n // 100, f"needle {n}" if n % 1000 == 0 else f"hay {n}") for n in range(100_000)
        ]
        lab.bridge.write_logs("/many", "stream", events)
        started = time.monotonic()
        found = await lab.json("logs", "FilterLogEvents", logGroupName="/many", filterPattern="needle")
        assert [event["message"] for event in found["events"]] == [
            f"needle {n}" for n in range(0, 100_000, 1000)
        ]
        page = await lab.json(
            "logs", "GetLogEvents", logGroupName="/many", logStreamName="stream", startFromHead=True
        )
        assert len(page["events"]) == 10_000
        described = await lab.json("logs", "DescribeLogStreams", logGroupName="/many")
        assert described["logStreams"][0]["lastEventTimestamp"] == events[-1].at_ms
        assert time.monotonic() - started < 5


async def test_malformed_filter_pattern_is_refused() -> None:
    """With CloudWatch Logs' own error."""
    async with running() as lab:
        lab.bridge.write_logs("/group", "stream", [LogEvent(1, "x")])
        with pytest.raises(AssertionError, match="InvalidParameterException"):
            await lab.json("logs", "FilterLogEvents", logGroupName="/group", filterPattern="{ $.a = }")


# --- Queues ---


async def test_long_poll_returns_when_a_message_arrives() -> None:
    """It holds up nobody else, and is over within moments of the message."""
    async with running() as lab:
        made = await lab.json("sqs", "CreateQueue", QueueName="poll")
        assert made["QueueUrl"] == "http://127.0.0.1:1/123456789012/poll"
        polling = asyncio.create_task(
            lab.json("sqs", "ReceiveMessage", QueueUrl=made["QueueUrl"], WaitTimeSeconds=20)
        )
        await lab.json("sqs", "GetQueueAttributes", QueueUrl=made["QueueUrl"])
        assert not polling.done()
        await lab.json("sqs", "SendMessage", QueueUrl=made["QueueUrl"], MessageBody="hello")
        received = await asyncio.wait_for(polling, 2)
        assert [message["Body"] for message in received["Messages"]] == ["hello"]


async def test_long_poll_sees_a_message_that_shows_again() -> None:
    """A message whose visibility timeout ends is received without another one arriving."""
    async with running() as lab:
        url = (await lab.json("sqs", "CreateQueue", QueueName="again"))["QueueUrl"]
        await lab.json("sqs", "SendMessage", QueueUrl=url, MessageBody="hello")
        first = await lab.json("sqs", "ReceiveMessage", QueueUrl=url, VisibilityTimeout=1)
        assert first["Messages"]
        started = time.monotonic()
        second = await lab.json("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=10)
        assert second["Messages"]
        assert time.monotonic() - started < 3


async def test_queues_own_wait_is_kept_and_zero_is_not_waited() -> None:
    """ReceiveMessageWaitTimeSeconds counts where the call names no time."""
    async with running() as lab:
        attributes = {"ReceiveMessageWaitTimeSeconds": "1"}
        url = (await lab.json("sqs", "CreateQueue", QueueName="own", Attributes=attributes))["QueueUrl"]
        started = time.monotonic()
        await lab.json("sqs", "ReceiveMessage", QueueUrl=url)
        assert time.monotonic() - started >= 0.9
        started = time.monotonic()
        await lab.json("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=0)
        assert time.monotonic() - started < 0.5


async def test_poll_of_a_caller_who_left_takes_no_message() -> None:
    """A message is for those who still wait."""
    async with running() as lab:
        url = (await lab.json("sqs", "CreateQueue", QueueName="left"))["QueueUrl"]
        body = json.dumps({"QueueUrl": url, "WaitTimeSeconds": 20}).encode()
        headers = {"X-Amz-Target": "AmazonSQS.ReceiveMessage", "Content-Type": "application/x-amz-json-1.0"}
        here = [True]
        polling = asyncio.create_task(lab.send("sqs", "POST", "/", "", headers, body, alive=lambda: here[0]))
        await lab.json("sqs", "GetQueueAttributes", QueueUrl=url)
        here[0] = False
        await lab.json("sqs", "SendMessage", QueueUrl=url, MessageBody="hello")
        await asyncio.wait_for(polling, 2)
        received = await lab.json("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=2)
        assert [message["Body"] for message in received["Messages"]] == ["hello"]


# --- Identities ---


async def test_keys_of_iam_and_sts_are_known_until_they_are_deleted() -> None:
    """CreateAccessKey, AssumeRole and GetSessionToken give keys that sign."""
    async with running() as lab:
        await lab.query("iam", Action="CreateUser", UserName="eve")
        made = await lab.query("iam", Action="CreateAccessKey", UserName="eve")
        key = made.body.split(b"<AccessKeyId>")[1].split(b"<")[0].decode()
        assert lab.keys.find(key, "").principal == "arn:aws:iam::123456789012:user/eve"
        await lab.query("iam", Action="DeleteAccessKey", UserName="eve", AccessKeyId=key)
        with pytest.raises(Denied):
            lab.keys.find(key, "")
        role = lab.bridge.function_role_arn
        for parameters, principal in (
            (
                {"Action": "AssumeRole", "RoleArn": role, "RoleSessionName": "s"},
                "arn:aws:sts::123456789012:assumed-role/lab-function-role/s",
            ),
            ({"Action": "GetSessionToken"}, lab.keys.lab.principal),
            ({"Action": "GetFederationToken", "Name": "bob"}, "arn:aws:sts::123456789012:federated-user/bob"),
        ):
            answer = await lab.query("sts", **parameters)
            key, token = (
                answer.body.split(f"<{name}>".encode())[1].split(b"<")[0].decode()
                for name in ("AccessKeyId", "SessionToken")
            )
            assert lab.keys.find(key, token).principal == principal


async def test_role_that_does_not_exist_cannot_be_assumed() -> None:
    """moto would give keys for any name."""
    async with running() as lab:
        arn = "arn:aws:iam::123456789012:role/missing"
        with pytest.raises(AwsError, match="is not authorized to perform: sts:AssumeRole"):
            await lab.query("sts", Action="AssumeRole", RoleArn=arn, RoleSessionName="s")


async def test_function_role_is_ready_and_others_must_trust_lambda() -> None:
    """A role that Lambda may not take on is refused when a function names it."""
    async with running() as lab:
        lab.bridge.check_function_role(lab.bridge.function_role_arn)
        trust = {
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ]
        }
        await lab.query(
            "iam", Action="CreateRole", RoleName="ec2", AssumeRolePolicyDocument=json.dumps(trust)
        )
        for name in ("ec2", "missing"):
            with pytest.raises(AwsError, match="cannot be assumed by Lambda"):
                lab.bridge.check_function_role(f"arn:aws:iam::123456789012:role/{name}")
        lab.bridge.check_function_role(lab.bridge.function_role_arn)


async def test_awss_own_policies_can_be_attached() -> None:
    """A role for functions gets AWS's policy for them, as every tutorial does it."""
    async with running() as lab:
        answer = await lab.query(
            "iam",
            Action="AttachRolePolicy",
            RoleName="lab-function-role",
            PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
        )
        assert answer.status == 200


# --- What is refused ---


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "what"),
    [
        ("logs", "StartQuery", {"queryString": "stats count(*)"}, "Insights"),
        (
            "logs",
            "PutSubscriptionFilter",
            {"destinationArn": "arn:aws:firehose:us-east-1:1:deliverystream/f"},
            "'firehose'",
        ),
    ],
)
async def test_pretence_of_json_services_is_refused(
    service: str, operation: str, parameters: dict[str, Any], what: str
) -> None:
    """Triggers that nobody would pull."""
    async with running() as lab:
        with pytest.raises(NotEmulated, match=what):
            await lab.json(service, operation, **parameters)


async def test_s3_features_that_moto_takes_for_others_are_refused() -> None:
    """An unknown part of a bucket is not the bucket."""
    async with running() as lab:
        for query in ("metrics&id=x", "website", "replication", "intelligent-tiering&id=x", "lifecycle"):
            with pytest.raises(NotEmulated, match="S3"):
                await lab.s3("PUT", "/refused-bucket", b"", query)


async def test_parameter_store_works_without_the_rest_of_systems_manager() -> None:
    """Parameters are kept; machines that do not exist are refused."""
    async with running() as lab:
        await lab.json("ssm", "PutParameter", Name="/a/b", Value="1", Type="String")
        found = await lab.json("ssm", "GetParametersByPath", Path="/a")
        assert [parameter["Value"] for parameter in found["Parameters"]] == ["1"]
        with pytest.raises(NotEmulated, match="Systems Manager SendCommand"):
            await lab.json("ssm", "SendCommand", DocumentName="x")


async def test_open_api_documents_are_imported_and_checked() -> None:
    """The validator is loaded when the first document comes."""
    async with running() as lab:
        info = {"title": "pets", "version": "1", "description": "d"}
        document: dict[str, Any] = {"openapi": "3.0.1", "info": info, "paths": {}}
        made = await lab.send(
            "apigateway",
            "POST",
            "/restapis",
            "mode=import&failonwarnings=true",
            {},
            json.dumps(document).encode(),
        )
        assert (made.status, json.loads(made.body)["name"]) == (200, "pets")
        document["paths"] = {"pets": 1}
        refused = await lab.send(
            "apigateway",
            "POST",
            "/restapis",
            "mode=import&failonwarnings=true",
            {},
            json.dumps(document).encode(),
        )
        assert refused.status == 400


async def test_failure_on_motos_thread_is_in_the_journal() -> None:
    """Work that nobody waits for does not fail unseen, and the thread goes on."""
    async with running() as lab:
        lab.bridge.write_logs("/group", "stream", [LogEvent(1, None)])  # type: ignore[arg-type]
        await lab.json("logs", "DescribeLogGroups")
        await asyncio.sleep(0)
        assert any(
            "moto's thread failed" in entry.detail["message"] for entry in lab.journal.since(0, "failure")
        )
