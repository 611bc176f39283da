"""Deployment packages for tests, and the names that go with them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/lab"
FUNCTION_ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function"
HANDLER = "def handler(event, context):\n    return event\n"


def make_zip(files: Mapping[str, str] | None = None) -> bytes:
    """A deployment package of these files (an echo handler without any)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (files or {"index.py": HANDLER}).items():
            archive.writestr(name, text)
    return buffer.getvalue()
