"""Function 1 of the pipeline: copies every object that S3 reports into the bucket named by TARGET_BUCKET."""

import json
import os
from urllib.parse import unquote_plus

import boto3

s3 = boto3.client("s3")


def handler(event, context):
    target = os.environ["TARGET_BUCKET"]
    copied = []
    for record in event["Records"]:
        print(json.dumps(record))  # What S3 said, as one line of the log.
        bucket = record["s3"]["bucket"]["name"]
        key = unquote_plus(record["s3"]["object"]["key"])  # S3 writes a blank as + and ü as %C3%BC.
        s3.copy_object(Bucket=target, Key=key, CopySource={"Bucket": bucket, "Key": key})
        copied.append(key)
    return {"copied": copied}
