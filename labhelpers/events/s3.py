"""S3's event records and the rules that pick who gets them: pure, called by `triggers.s3` and the bridge to moto.

AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class S3ObjectEvent:
    """Something that happened to an object. `name` is without "s3:" ("ObjectCreated:Put"), `size` in bytes, `at` epoch seconds.

    `key` is the plain key, not URL-encoded. `size` and `etag` are None where AWS leaves them out (a delete).
    `bucket_owner` and `principal` are S3's canonical ids; `sequencer` is hexadecimal and grows with every change of a key.
    """

    name: str
    bucket: str
    key: str
    size: int | None = None
    etag: str | None = None
    version_id: str = ""
    sequencer: str = ""
    at: float = 0.0
    region: str = "us-east-1"
    bucket_owner: str = ""
    principal: str = ""
    source_ip: str = "127.0.0.1"
    request_id: str = ""
    host_id: str = ""
