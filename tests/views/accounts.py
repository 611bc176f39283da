"""An account and a journal as the views read them: the course's pipeline, and what one upload leaves."""

from __future__ import annotations

from typing import Any

from labhelpers.views.things import Answers, Resources, describe

ACCOUNT = "123456789012"
INBOX, ARCHIVE = "arn:aws:s3:::inbox", "arn:aws:s3:::archive"
LEARNER = "AWS:AIDAEXAMPLELEARNER"


def function_arn(name: str) -> str:
    """The ARN of a function of this account."""
    return f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}"


COPIER, WRITER = function_arn("copier"), function_arn("writer")
RECORDS = f"arn:aws:rds:us-east-1:{ACCOUNT}:db:records"


def function(name: str, **variables: str) -> dict[str, Any]:
    """One item of list_functions."""
    return {
        "FunctionName": name,
        "FunctionArn": function_arn(name),
        "Runtime": "python3.13",
        "Handler": f"{name}.handler",
        "MemorySize": 128,
        "Timeout": 3,
        "Environment": {"Variables": variables},
    }


def notifying(name: str, **filters: str) -> dict[str, Any]:
    """A bucket's notification configuration with one function."""
    rules = [{"Name": part, "Value": value} for part, value in filters.items()]
    rule = {"LambdaFunctionArn": function_arn(name), "Events": ["s3:ObjectCreated:*"]}
    if rules:
        rule["Filter"] = {"Key": {"FilterRules": rules}}
    return {"LambdaFunctionConfigurations": [rule]}


PIPELINE = Answers(
    buckets=[{"Name": "inbox"}, {"Name": "archive"}],
    notifications={"inbox": notifying("copier", Suffix=".csv"), "archive": notifying("writer")},
    functions=[
        function("copier", TARGET_BUCKET="archive"),
        function("writer", DATABASE_URL="postgresql://course:pw@localhost:54321/course"),
    ],
    databases=[
        {
            "DBInstanceIdentifier": "records",
            "DBInstanceArn": RECORDS,
            "Engine": "postgres",
            "EngineVersion": "17.2",
            "DBInstanceStatus": "available",
            "Endpoint": {"Address": "localhost", "Port": 54321},
        }
    ],
)


def pipeline() -> Resources:
    """The pipeline's things and links."""
    return describe(PIPELINE)


class Writer:
    """Writes journal entries as the lab does, one number after another."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def __call__(self, kind: str, resource: str = "", request_id: str = "", **detail: Any) -> dict[str, Any]:
        seq = len(self.entries) + 1
        entry = {"seq": seq, "at": 1.7e9 + seq, "kind": kind, "resource": resource, "request_id": request_id}
        self.entries.append({**entry, "trace_id": "", "detail": detail})
        return self.entries[-1]

    def upload(self, bucket: str, key: str, principal: str = LEARNER) -> None:
        """An object comes into a bucket."""
        self("s3.event", bucket, "S3", event="ObjectCreated:Put", key=key, size=3, principal=principal)

    def notify(self, bucket: str, function: str, key: str, request_id: str) -> None:
        """The bucket tells a function."""
        self("invoke.queued", function, request_id, source="s3", source_arn=bucket)
        self("s3.notification", bucket, "S3", event="ObjectCreated:Put", key=key, destination=function)

    def run(self, function: str, request_id: str, status: str = "success", **detail: Any) -> None:
        """The function runs."""
        self("invoke.started", function, request_id, environment="e1", cold=False)
        self("invoke.ended", function, request_id, status=status, duration_ms=2.5, billed_ms=3, **detail)


def one_upload() -> list[dict[str, Any]]:
    """A file goes through the pipeline; the second function fails."""
    write = Writer()
    write.upload(INBOX, "report.csv")
    write.notify(INBOX, COPIER, "report.csv", "r1")
    write("environment.state", COPIER, environment="e1", state="INIT")
    write("invoke.started", COPIER, "r1", environment="e1", cold=True)
    write.upload(ARCHIVE, "report.csv", "AWS:AROAEXAMPLEROLE:copier")
    write.notify(ARCHIVE, WRITER, "report.csv", "r2")
    write("invoke.ended", COPIER, "r1", status="success", duration_ms=2.5, billed_ms=3)
    write("invoke.started", WRITER, "r2", environment="e2", cold=True)
    write("log", WRITER, "r2", message="[ERROR] KeyError: 'DATABASE_URL'\nTraceback (most recent call last):")
    write("invoke.ended", WRITER, "r2", status="error", error_type="", duration_ms=1.0, billed_ms=1)
    return write.entries
