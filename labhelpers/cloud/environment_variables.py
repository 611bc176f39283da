"""The environment variables that lead boto3 to a lab, and away from any real account for the rest of the process.

Called by `lab` and by the cloud's process. A learner's own keys, profiles and endpoints go out of sight, and stay so.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping

# Whatever begins like this might lead to a real account, or back to another lab.
FOREIGN = ("AWS_", "BOTO_CONFIG", "MOTO_")
_NO_PROXY = ("NO_PROXY", "no_proxy")
AWS_TRUST, TRUST = "AWS_CA_BUNDLE", "SSL_CERT_FILE"
_LOCAL = ("127.0.0.1", "localhost")
_NOWHERE = "http://127.0.0.1:1"  # Nothing listens on so low a port of this machine.
_REGION = "us-east-1"
_NO_KEY = "no-lab-is-running"


def lab_variables(
    endpoint_url: str,
    access_key_id: str,
    secret_access_key: str,
    region: str,
    *,
    ca_bundle: str = "",
    environment: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """All that has to be in the environment for a lab, given what it says already of proxies.

    `ca_bundle` has the public authorities and the lab's own: it takes the place of what boto3 and OpenSSL trust.
    """
    no_proxy = environment.get("NO_PROXY", environment.get("no_proxy", ""))
    hosts = [host for host in no_proxy.split(",") if host.strip()]
    around_proxy = ",".join([*hosts, *(host for host in _LOCAL if host not in hosts)])
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": access_key_id,
        "AWS_SECRET_ACCESS_KEY": secret_access_key,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **dict.fromkeys(_NO_PROXY, around_proxy),
        **(dict.fromkeys((AWS_TRUST, TRUST), ca_bundle) if ca_bundle else {}),
    }


def without_foreign(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for the cloud's process: nothing that leads to an account, nothing that changes its Python."""
    dropped = (*FOREIGN, "PYTHON")
    return {name: value for name, value in environment.items() if not name.startswith(dropped)}


def lead_to(wanted: Mapping[str, str], environment: MutableMapping[str, str] = os.environ) -> None:
    """Take everything foreign out of the environment and put the variables of a lab into it."""
    for name in [name for name in environment if name.startswith(FOREIGN)]:
        del environment[name]
    environment.update(wanted)
    forget_default_session()


def lead_nowhere(environment: MutableMapping[str, str] = os.environ) -> None:
    """Before a lab is there: clients that are made now find no account, and nothing to connect to."""
    lead_to(lab_variables(_NOWHERE, _NO_KEY, _NO_KEY, _REGION, environment=environment), environment)


def forget_certificates(before: str | None, environment: MutableMapping[str, str] = os.environ) -> None:
    """A lab's certificates go with it: OpenSSL trusts what it trusted before. All else goes on leading to that lab."""
    environment.pop(AWS_TRUST, None)
    if before is None:
        environment.pop(TRUST, None)
    else:
        environment[TRUST] = before


def forget_default_session() -> None:
    """boto3 keeps the keys that it found first: have it look again."""
    boto3 = sys.modules.get("boto3")
    if boto3 is not None:
        boto3.DEFAULT_SESSION = None  # type: ignore[attr-defined]
