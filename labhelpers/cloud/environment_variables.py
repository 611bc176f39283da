"""The environment variables that lead boto3 to a lab, and away from any real account: set, and put back as they were.

Called by `lab` and by the cloud's process. A learner's own keys, profiles and endpoints are out of sight meanwhile.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping

# Whatever begins like this might lead to a real account, or back to another lab.
FOREIGN = ("AWS_", "BOTO_CONFIG", "MOTO_")
_NO_PROXY = ("NO_PROXY", "no_proxy")
_TRUST = ("AWS_CA_BUNDLE", "SSL_CERT_FILE")
_LOCAL = ("127.0.0.1", "localhost")


def lab_variables(
    endpoint_url: str,
    access_key_id: str,
    secret_access_key: str,
    region: str,
    *,
    ca_bundle: str = "",
    no_proxy: str = "",
) -> dict[str, str]:
    """All that has to be in the environment for a lab, given what NO_PROXY says already.

    `ca_bundle` has the public authorities and the lab's own: it takes the place of what boto3 and OpenSSL trust.
    """
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
        **(dict.fromkeys(_TRUST, ca_bundle) if ca_bundle else {}),
    }


def without_foreign(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for the cloud's process: nothing that leads to an account, nothing that changes its Python."""
    dropped = (*FOREIGN, "PYTHON")
    return {name: value for name, value in environment.items() if not name.startswith(dropped)}


class Borrowed:
    """The environment while a lab uses it; `give_back` makes it what it was."""

    def __init__(self, wanted: Mapping[str, str], environment: MutableMapping[str, str] = os.environ) -> None:
        self._environment = environment
        names = {name for name in environment if name.startswith(FOREIGN)} | set(wanted)
        self._before = {name: environment.get(name) for name in names}
        for name in names - set(wanted):
            del environment[name]
        environment.update(wanted)
        forget_default_session()

    def give_back(self) -> None:
        """Put everything back as it was before."""
        for name, value in self._before.items():
            if value is None:
                self._environment.pop(name, None)
            else:
                self._environment[name] = value
        self._before = {}
        forget_default_session()


def forget_default_session() -> None:
    """boto3 keeps the keys that it found first: have it look again."""
    boto3 = sys.modules.get("boto3")
    if boto3 is not None:
        boto3.DEFAULT_SESSION = None  # type: ignore[attr-defined]
