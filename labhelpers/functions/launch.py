"""What an execution environment is started with: all its variables, its folders, its command."""

from __future__ import annotations

from pathlib import Path

from labhelpers.functions import languages
from labhelpers.functions.call import Surroundings
from labhelpers.functions.languages import AUTHORITY, CA_BUNDLE
from labhelpers.model import Credentials, FunctionVersion
from labhelpers.processes.isolation import RUNTIME
from labhelpers.processes.spec import ProcessSpec


def session_name(function: str) -> str:
    """How a function's role session is named; AWS lengthens a name of one letter, which STS does not take."""
    return function if len(function) > 1 else f"{function}@lambda_function"


def launch_spec(
    around: Surroundings,
    version: FunctionVersion,
    keys: Credentials,
    *,
    log_stream: str,
    runtime_api: str,
    tmp: Path,
) -> ProcessSpec:
    """The process of one environment. `runtime_api` is `host:port`; `tmp` the host's folder for its /tmp."""
    isolated, opt = around.spawner.isolated, around.opt_folder(version)
    env = languages.environment_variables(version, isolated=isolated, folders=around.folders, opt=opt)
    runtime = RUNTIME if isolated else str(around.folders.of(version.runtime))
    # AWS: not set, for its certificates are public. Here: what a function calls by https may be this lab, whose
    # certificate is its own; the file has the public authorities too. A function's own settings count more.
    env |= dict.fromkeys(("AWS_CA_BUNDLE", "SSL_CERT_FILE"), f"{runtime}/{CA_BUNDLE}")
    # Node.js has the public ones built in, and reads this file at each start: all of them would take 40 ms.
    if (around.folders.of(version.runtime) / AUTHORITY).exists():
        env["NODE_EXTRA_CA_CERTS"] = f"{runtime}/{AUTHORITY}"
    if daemon := around.xray_daemon():
        host, _, port = daemon.rpartition(":")
        env |= {
            "AWS_XRAY_DAEMON_ADDRESS": daemon,
            "_AWS_XRAY_DAEMON_ADDRESS": host,
            "_AWS_XRAY_DAEMON_PORT": port,
        }
    env |= version.variables
    env |= {
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_SESSION_TOKEN": keys.token,
        "AWS_DEFAULT_REGION": around.region,
        "AWS_REGION": around.region,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_ENDPOINT_URL": around.endpoint_url(),
    }
    if not isolated:
        tmp.mkdir(parents=True, exist_ok=True)
        env["TMPDIR"] = str(tmp)
    return languages.process_spec(version, env, isolated=isolated, folders=around.folders, opt=opt, tmp=tmp)
