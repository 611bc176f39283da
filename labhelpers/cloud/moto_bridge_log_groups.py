"""Log groups and streams in moto: they are searched, named and described as AWS does it. Runs on moto's thread only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from labhelpers.cloud.logs_constraints import ANYTHING

_EVENTS_MAX = 10_000


def mend(models: Any) -> None:
    """Replace what moto does of this."""
    exceptions: Any = import_module("moto.logs.exceptions")
    backends, groups, streams = models.LogsBackend, models.LogGroup, models.LogStream
    pages: Any = import_module("moto.utilities.paginator").paginate
    model = import_module("moto.logs.utils").PAGINATION_MODEL
    backends.describe_log_groups = pages(pagination_model=model)(describe_log_groups)
    groups.create_log_stream = _of_a_new_stream(groups.create_log_stream, exceptions)
    for name in ("delete_log_stream", "get_log_events"):
        setattr(groups, name, _of_a_stream(getattr(groups, name), exceptions))
    groups.filter_log_events = _search(exceptions)
    groups.to_describe_dict = _with(
        groups.to_describe_dict, logGroupClass="STANDARD", deletionProtectionEnabled=False
    )
    # AWS: not told of streams since 2019.
    streams.to_describe_dict = _with(streams.to_describe_dict, storedBytes=0)


def describe_log_groups(backend: Any, log_group_name_prefix: str | None = None) -> list[Any]:
    """Groups whose names begin with something, or with anything before it. moto's pages go by this function's name."""
    wanted = log_group_name_prefix or ""
    part = wanted.removeprefix(ANYTHING)
    fits = str.startswith if part == wanted else str.__contains__
    return [backend.groups[name] for name in sorted(backend.groups) if fits(name, part)]


def _with(describe: Callable[[Any], dict[str, Any]], **members: Any) -> Callable[[Any], dict[str, Any]]:
    return lambda described: {**describe(described), **members}


def _no_stream(exceptions: Any) -> Exception:
    error: Exception = exceptions.ResourceNotFoundException("The specified log stream does not exist.")
    return error


def _of_a_stream(method: Callable[..., Any], exceptions: Any) -> Callable[..., Any]:
    """`method` of a log group with the right word for what is missing: moto names the group."""

    def call(group: Any, log_stream_name: str, *args: Any, **kwargs: Any) -> Any:
        if log_stream_name not in group.streams:
            raise _no_stream(exceptions)
        return method(group, log_stream_name, *args, **kwargs)

    return call


def _of_a_new_stream(method: Callable[..., None], exceptions: Any) -> Callable[..., None]:
    def create_log_stream(group: Any, log_stream_name: str) -> None:
        if log_stream_name in group.streams:
            raise exceptions.LogsClientError(
                "ResourceAlreadyExistsException", "The specified log stream already exists"
            )
        method(group, log_stream_name)

    return create_log_stream


def _search(exceptions: Any) -> Callable[..., tuple[list[dict[str, Any]], str | None, list[Any]]]:
    def filter_log_events(
        group: Any,
        log_group_name: str,
        names: list[str] | None,
        start_time: int | None,
        end_time: int | None,
        limit: int | None,
        token: str | None,
        pattern: str | None,
        interleaved: bool,
    ) -> tuple[list[dict[str, Any]], str | None, list[Any]]:
        """In the order of time, whether asked for or not; a token is the id of the last event that was shown."""
        streams = _chosen(group, names or [], exceptions)
        found = [
            event for stream in streams for event in stream.filter_log_events(start_time, end_time, pattern)
        ]
        found.sort(key=lambda event: event["timestamp"])
        if token:
            at = next((at for at, event in enumerate(found, 1) if event["eventId"] == token), None)
            if at is None:
                raise exceptions.InvalidParameterException("The specified nextToken is invalid.")
            del found[:at]
        shown = found[: limit or _EVENTS_MAX]
        # AWS: the streams that were searched are not told since 2020.
        return shown, shown[-1]["eventId"] if len(shown) < len(found) else None, []

    return filter_log_events


def _chosen(group: Any, names: list[str], exceptions: Any) -> Iterable[Any]:
    if names and names[0].endswith(ANYTHING):
        prefix = names[0].removesuffix(ANYTHING)
        return [stream for name, stream in group.streams.items() if name.startswith(prefix)]
    if any(name not in group.streams for name in names):
        raise _no_stream(exceptions)
    return [group.streams[name] for name in names] if names else group.streams.values()
