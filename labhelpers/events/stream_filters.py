"""The filter criteria of mappings that read streams: which records a function is to see. Pure.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis-filtering.html
     https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labhelpers.events import kinesis
from labhelpers.events.pattern import compile_pattern

Passes = Callable[[Mapping[str, Any]], bool]


def compile_stream_filter(service: str, patterns: Sequence[str]) -> Passes | None:
    """Whether the event of a record passes one of the patterns. None without patterns: all do.

    Of a table's records a pattern sees all (`eventName`, `dynamodb.NewImage...`), of a Kinesis record what
    `kinesis.filter_view` shows. `service` is "dynamodb" or "kinesis".
    """
    if not patterns:
        return None
    tests = [
        _kinesis_test(text) if service == "kinesis" else compile_pattern(text).matches for text in patterns
    ]
    return lambda event: any(passes(event) for passes in tests)


def _kinesis_test(text: str) -> Passes:
    matches = compile_pattern(text).matches
    about_data = "data" in json.loads(text)

    def passes(event: Mapping[str, Any]) -> bool:
        view = kinesis.filter_view(event)
        # AWS: data that is no JSON never passes a pattern about data, not even `exists: false`.
        return ("data" in view or not about_data) and matches(view)

    return passes
