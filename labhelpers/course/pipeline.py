"""The course's pipeline, built and run once with plain boto3: bucket, function, bucket, function, database row.

Used by the doctor and the end-to-end tests; notebook 05 builds the same step by step.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labhelpers.course.deploy import pip_layer, zip_code
from labhelpers.course.waiting import wait_for
from labhelpers.errors import LabError
from labhelpers.lab import running_lab
from labhelpers.progress import Progress

HANDLERS = Path(__file__).parents[2] / "notebooks" / "functions"
TABLE = """
    CREATE TABLE IF NOT EXISTS uploads (
        object_key text NOT NULL,
        sequencer text NOT NULL,
        bucket text NOT NULL,
        size_bytes bigint NOT NULL,
        event_name text NOT NULL,
        event_time timestamptz NOT NULL,
        request_id text NOT NULL,
        written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (object_key, sequencer)
    )
"""
_ROW_TIMEOUT_S = 30.0
_EACH_HALF_SECOND = {"Delay": 0.5, "MaxAttempts": 240}  # boto3's own waiter asks every 30 s, as suits AWS.


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The names of a pipeline that stands. `database_url` is for psycopg."""

    inbox: str
    archive: str
    copier: str
    writer: str
    database: str
    database_url: str


def build_pipeline(role_arn: str, say: Callable[[str], None] = lambda _: None) -> Pipeline:
    """Make everything that the pipeline needs; `say` hears of each step, in plain words."""
    import boto3
    import psycopg

    running_lab()
    suffix = secrets.token_hex(3)
    s3, functions, rds = (boto3.client(name) for name in ("s3", "lambda", "rds"))
    password = secrets.token_urlsafe(12)
    rds.create_db_instance(
        DBInstanceIdentifier=f"records-{suffix}",
        Engine="postgres",
        DBInstanceClass="db.t4g.micro",
        AllocatedStorage=20,
        MasterUsername="course",
        MasterUserPassword=password,
        DBName="course",
    )
    inbox, archive = f"inbox-{suffix}", f"archive-{suffix}"
    for bucket in (inbox, archive):
        s3.create_bucket(Bucket=bucket)
    say("two buckets are there")
    layer = pip_layer("psycopg", "psycopg[binary]")
    say("the database driver is a layer")
    with Progress("starting PostgreSQL"):
        rds.get_waiter("db_instance_available").wait(
            DBInstanceIdentifier=f"records-{suffix}", WaiterConfig=_EACH_HALF_SECOND
        )
    endpoint = rds.describe_db_instances(DBInstanceIdentifier=f"records-{suffix}")["DBInstances"][0][
        "Endpoint"
    ]
    url = f"postgresql://course:{password}@{endpoint['Address']}:{endpoint['Port']}/course"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE)
    say("PostgreSQL accepts connections")
    common = {"Runtime": "python3.13", "Role": role_arn, "Timeout": 30}
    copier = functions.create_function(
        FunctionName=f"copier-{suffix}",
        Handler="copy_to_bucket.handler",
        Code={"ZipFile": zip_code(HANDLERS / "copy_to_bucket.py")},
        Environment={"Variables": {"TARGET_BUCKET": archive}},
        **common,
    )
    writer = functions.create_function(
        FunctionName=f"writer-{suffix}",
        Handler="write_log_record.handler",
        Code={"ZipFile": zip_code(HANDLERS / "write_log_record.py")},
        Environment={"Variables": {"DATABASE_URL": url}},
        Layers=[layer],
        **common,
    )
    for bucket, function in ((inbox, copier), (archive, writer)):
        connect_bucket(bucket, function["FunctionArn"])
    say("two functions wait for the buckets' events")
    return Pipeline(inbox, archive, copier["FunctionName"], writer["FunctionName"], f"records-{suffix}", url)


def connect_bucket(bucket: str, function: str) -> None:
    """Let S3 call the function (its name or ARN), and have the bucket tell it, and only it, of each new object.

    LabError if there is no such bucket or function. https://docs.aws.amazon.com/lambda/latest/dg/with-s3.html
    """
    import boto3

    running_lab()
    s3, functions = boto3.client("s3"), boto3.client("lambda")
    try:
        s3.get_bucket_notification_configuration(Bucket=bucket)
        arn = functions.get_function_configuration(FunctionName=function)["FunctionArn"]
    except s3.exceptions.NoSuchBucket as error:
        step = f"`s3.create_bucket(Bucket={bucket!r})` makes it"
        raise LabError(f"there is no bucket {bucket!r} to connect; {step}") from error
    except functions.exceptions.ResourceNotFoundException as error:
        step = f"`deploy_function({function!r}, ...)` makes it"
        raise LabError(f"there is no function {function!r} to connect {bucket!r} with; {step}") from error
    # Where the statement is there already, a cell was run again.
    with contextlib.suppress(functions.exceptions.ResourceConflictException):
        functions.add_permission(
            FunctionName=arn,
            StatementId=f"from-{bucket}",
            Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com",
            SourceArn=f"arn:aws:s3:::{bucket}",
            SourceAccount=arn.split(":")[4],
        )
    notify = {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [notify]}
    )


def send_through(pipeline: Pipeline, key: str, body: bytes) -> dict[str, Any]:
    """Upload an object to the first bucket and wait for its row. LabError if none comes in half a minute."""
    import boto3
    import psycopg
    from psycopg.rows import dict_row

    running_lab()
    boto3.client("s3").put_object(Bucket=pipeline.inbox, Key=key, Body=body)
    with psycopg.connect(pipeline.database_url, autocommit=True, row_factory=dict_row) as connection:
        query = "SELECT * FROM uploads WHERE object_key = %s"
        return wait_for(
            lambda: connection.execute(query, [key]).fetchone() or {}, f"the row of {key!r}", _ROW_TIMEOUT_S
        )


def remove_pipeline(pipeline: Pipeline) -> None:
    """Delete all that `build_pipeline` has made."""
    import boto3

    running_lab()
    s3, functions, rds = (boto3.client(name) for name in ("s3", "lambda", "rds"))
    for bucket in (pipeline.inbox, pipeline.archive):
        for found in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=found["Key"])
        s3.delete_bucket(Bucket=bucket)
    for name in (pipeline.copier, pipeline.writer):
        functions.delete_function(FunctionName=name)
    rds.delete_db_instance(DBInstanceIdentifier=pipeline.database, SkipFinalSnapshot=True)
