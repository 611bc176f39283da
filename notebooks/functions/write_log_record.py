"""Function 2 of the pipeline: writes a log record, one row for every object that S3 reports, into PostgreSQL.

The driver, psycopg, comes from a layer. The connection is made once per execution environment and used again.
"""

import os
from urllib.parse import unquote_plus

import psycopg

INSERT = """
    INSERT INTO uploads (sequencer, bucket, object_key, size_bytes, event_name, event_time, request_id)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (sequencer) DO NOTHING
"""
connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, connect_timeout=5)


def handler(event, context):
    written = 0
    for record in event["Records"]:
        entry = record["s3"]
        row = (
            entry["object"][
                "sequencer"
            ],  # The same in every delivery of one event: a second delivery adds no second row.
            entry["bucket"]["name"],
            unquote_plus(entry["object"]["key"]),
            entry["object"]["size"],
            record["eventName"],
            record["eventTime"],
            context.aws_request_id,
        )
        written += connection.execute(INSERT, row).rowcount
    print(f"wrote {written} of {len(event['Records'])} rows")
    return {"written": written}
