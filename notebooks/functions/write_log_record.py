"""Function 2 of the pipeline: writes a log record, one row for every object that S3 reports, into PostgreSQL.

The driver, psycopg, comes from a layer. The connection outlives the event that made it: the next ones use it too.
"""

import os
from urllib.parse import unquote_plus

import psycopg

# Every delivery of one event has the same sequencer, so a second delivery adds no second row.
INSERT = """
    INSERT INTO uploads (object_key, sequencer, bucket, size_bytes, event_name, event_time, request_id)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (object_key, sequencer) DO NOTHING
"""
connection = None


def connect():
    global connection
    if connection is None or connection.closed:  # The first event here, or the database has restarted.
        name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        connection = psycopg.connect(
            os.environ["DATABASE_URL"], autocommit=True, connect_timeout=5, application_name=name
        )
    return connection


def handler(event, context):
    written = 0
    for record in event["Records"]:
        bucket, entry = record["s3"]["bucket"], record["s3"]["object"]
        key = unquote_plus(entry["key"])
        happened = (record["eventName"], record["eventTime"], context.aws_request_id)
        row = (key, entry["sequencer"], bucket["name"], entry["size"], *happened)
        written += connect().execute(INSERT, row).rowcount
    print(f"wrote {written} of {len(event['Records'])} rows")
    return {"written": written}
