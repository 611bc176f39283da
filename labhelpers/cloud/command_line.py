"""The command `labhelpers`: a cloud in the terminal, and the ways into the rest of the course."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from labhelpers import limits
from labhelpers.clock import MAX_SPEED, MIN_SPEED
from labhelpers.errors import LabError

if TYPE_CHECKING:  # At run time they are imported where a library that is missing can be told in one line.
    from labhelpers.cloud.process import Address


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options, rest = _parser().parse_known_args(given)
    if rest and options.command != "lab":
        _parser().error(f"unknown argument {rest[0]!r}")
    try:
        return _run(options, rest)
    except LabError as error:
        print(f"labhelpers: {error}", file=sys.stderr)
    except ImportError as error:
        print(f"labhelpers: {error}; run `make setup`", file=sys.stderr)
    return 1


def _run(options: argparse.Namespace, rest: Sequence[str]) -> int:
    if options.command == "lab":
        from labhelpers.course.workbench import open_jupyterlab

        return open_jupyterlab(rest)
    if options.command == "doctor":
        from labhelpers.course import doctor

        return doctor.main()
    from labhelpers.cloud.process import run_cloud

    say = _say_in_json if options.json else _say
    run_cloud(
        say,
        port=options.port,
        clock_speed=options.speed,
        iam=options.iam,
        concurrency=options.concurrency,
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "labhelpers",
        description="A local AWS cloud for the course on serverless computing.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="up|doctor|lab")
    up = commands.add_parser("up", help="run a cloud in this terminal until Ctrl-C", allow_abbrev=False)
    up.add_argument(
        "--port", type=port_number, default=0, help="the port to listen on; 0, the default, picks a free one"
    )
    up.add_argument("--json", action="store_true", help="print one line of JSON when ready, and nothing else")
    up.add_argument(
        "--speed",
        type=clock_speed,
        default=1.0,
        help="how many times faster the lab's clock runs (1 to 3600)",
    )
    up.add_argument(
        "--iam", action="store_true", help="let IAM's policies decide what roles and users may do"
    )
    up.add_argument(
        "--concurrency",
        type=concurrency,
        default=limits.CONCURRENT_EXECUTIONS,
        help="how many calls of functions may run at once (1 to 1000)",
    )
    commands.add_parser(
        "doctor",
        help="check this machine",
        description="Look at what the course needs, and send a file through its pipeline once.",
        allow_abbrev=False,
    )
    commands.add_parser(
        "lab",
        help="open the course in JupyterLab",
        usage="labhelpers lab [options of JupyterLab]",
        description="Check this machine as `labhelpers doctor` does, then open JupyterLab at the first notebook."
        " All further options go to JupyterLab, such as --no-browser or --port=8889.",
        allow_abbrev=False,
    )
    return parser


def port_number(text: str) -> int:
    """A port from the command line. ArgumentTypeError if it is none."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return int(text)


def clock_speed(text: str) -> float:
    """The clock's speed from the command line. ArgumentTypeError if it is none."""
    with contextlib.suppress(ValueError):
        if MIN_SPEED <= float(text) <= MAX_SPEED:
            return float(text)
    raise argparse.ArgumentTypeError(f"a speed is a number from {MIN_SPEED:g} to {MAX_SPEED:g}, not {text!r}")


def _say(address: Address) -> None:
    print(f"ready {address.endpoint_url}")
    for name, value in variables(address).items():
        print(f"export {name}={value}")
    sys.stdout.flush()
    print("Keep this terminal open; paste these lines into another; Ctrl-C ends the lab.", file=sys.stderr)


def _say_in_json(address: Address) -> None:
    names = ("endpoint_url", "access_key_id", "secret_access_key", "region", "account_id")
    print(json.dumps({name: getattr(address, name) for name in names}), flush=True)


def variables(address: Address) -> dict[str, str]:
    """The environment variables that lead boto3 and the AWS command line to the cloud."""
    return {
        "AWS_ENDPOINT_URL": address.endpoint_url,
        "AWS_ACCESS_KEY_ID": address.access_key_id,
        "AWS_SECRET_ACCESS_KEY": address.secret_access_key,
        "AWS_DEFAULT_REGION": address.region,
        "AWS_REGION": address.region,
    }


def concurrency(text: str) -> int:
    """An account's limit of calls at once; argparse.ArgumentTypeError outside 1 to 1,000."""
    most = limits.CONCURRENT_EXECUTIONS
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"not a number from 1 to {most}: {text!r}")
    return int(text)


def serve_parent(arguments: Sequence[str] | None = None) -> int:
    """`python -m labhelpers.cloud`: what `Lab` spawns. One line of JSON on stdout when ready, errors on stderr."""
    parser = argparse.ArgumentParser("python -m labhelpers.cloud")
    parser.add_argument("--port", type=port_number, default=0)
    parser.add_argument("--speed", type=clock_speed, default=1.0)
    parser.add_argument("--iam", action="store_true")
    parser.add_argument("--concurrency", type=concurrency, default=limits.CONCURRENT_EXECUTIONS)
    parser.add_argument(
        "--parent-fd", type=int, required=True, help="a pipe whose end of file ends the cloud"
    )
    options = parser.parse_args(arguments)
    os.set_inheritable(options.parent_fd, False)
    try:
        from labhelpers.cloud.process import run_cloud

        run_cloud(
            _say_all,
            port=options.port,
            clock_speed=options.speed,
            iam=options.iam,
            concurrency=options.concurrency,
            parent=options.parent_fd,
        )
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    except ImportError as error:
        print(f"{error}; run `make setup`", file=sys.stderr)
        return 1
    return 0


def _say_all(address: Address) -> None:
    print(json.dumps(asdict(address)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
