"""The keys of a lab."""

from __future__ import annotations

import re

import pytest

from labhelpers.cloud.credentials import Keys
from labhelpers.cloud.denials import Denied
from labhelpers.model import Account, Credentials


def test_keys_look_like_awss() -> None:
    """Twenty capital letters and digits, forty letters and digits; each lab has its own."""
    one, other = Keys(Account()), Keys(Account())
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", one.lab.access_key_id)
    assert re.fullmatch(r"[A-Za-z0-9]{40}", one.lab.secret_access_key)
    assert one.lab != other.lab and one.token != other.token
    assert one.is_lab_token(one.token) and not one.is_lab_token(other.token)


def test_role_session_stands_for_its_role() -> None:
    """An execution environment's keys carry the role's name and the session's."""
    keys = Keys(Account())
    made = keys.mint_role_credentials("arn:aws:iam::123456789012:role/path/reader", "my-function")
    assert made.principal == "arn:aws:sts::123456789012:assumed-role/reader/my-function"
    assert keys.find(made.access_key_id, made.token) is made


def test_unknown_keys_are_looked_up() -> None:
    """Keys that others keep are asked for; what they do not know is refused."""
    known = Credentials("AKIAOTHER", "secret", "arn:aws:iam::123456789012:user/eve")
    keys = Keys(Account(), {"AKIAOTHER": known}.get)
    assert keys.find("AKIAOTHER", "") is known
    with pytest.raises(Denied):
        keys.find("AKIANOBODY", "")


def test_secret_is_not_in_the_representation() -> None:
    """A traceback or a log line shows no secret."""
    keys = Keys(Account())
    assert keys.lab.secret_access_key not in repr(keys.lab)
