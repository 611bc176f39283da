"""Keeps moto from loading what this cloud never needs: EC2 for the parameter store, a validator before anybody imports.

Each takes a second and tens of megabytes. Runs on moto's thread only.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

VALIDATOR = "openapi_spec_validator"


@contextmanager
def light_imports(service: str) -> Iterator[None]:
    """While a service of moto is imported, stand-ins are in place of its heavy dependencies."""
    stand_ins = {"ssm": _without_ec2, "apigateway": _with_a_late_validator}.get(service, dict)()
    absent = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(absent)
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


class _NoEc2:
    """moto's EC2, which is not here: whoever asks it gets told."""

    def __getitem__(self, account_id: str) -> Any:
        raise NotImplementedError("EC2")


def _without_ec2() -> dict[str, ModuleType]:
    ec2: Any = ModuleType("moto.ec2")
    ec2.ec2_backends = _NoEc2()
    return {"moto.ec2": ec2}


class InvalidDocument(Exception):
    """What the validator says of an OpenAPI document."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def _validate(document: Any) -> None:
    validator = import_module(VALIDATOR)
    errors = import_module(f"{VALIDATOR}.validation.exceptions")
    try:
        validator.validate(document)
    except errors.OpenAPIValidationError as error:
        raise InvalidDocument(str(getattr(error, "message", error))) from error


def _with_a_late_validator() -> dict[str, ModuleType]:
    package: Any = ModuleType(VALIDATOR)
    validation: Any = ModuleType(f"{VALIDATOR}.validation")
    exceptions: Any = ModuleType(f"{VALIDATOR}.validation.exceptions")
    package.validate, package.validation = _validate, validation
    validation.exceptions = exceptions
    exceptions.OpenAPIValidationError = InvalidDocument
    return {module.__name__: module for module in (package, validation, exceptions)}
