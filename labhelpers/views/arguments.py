"""Checks what a view is made with by what its maker declares, before there is a view; `View` asks for it.

A dictionary is left to the view that takes it: only that can say what belongs in it.
"""

from __future__ import annotations

import inspect
import numbers
import types
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from labhelpers.errors import LabError

_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "True or False", Path: "a path"}
_UNIONS = (Union, types.UnionType)


def check_arguments(view: Any, *args: Any, **kwargs: Any) -> None:
    """LabError for an argument that is missing, that there is not, or that is of another kind than declared."""
    maker = view.__init__
    signature = inspect.signature(maker)
    plain = [
        parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()
    ]
    usage = f"write {view.__name__}{inspect.Signature(plain[1:])}"
    try:
        given = signature.bind(None, *args, **kwargs).arguments
    except TypeError as error:
        raise LabError(f"{view.__name__}: {error}; {usage}") from None
    try:
        kinds = get_type_hints(maker)
    except NameError:  # A view of somebody's own, whose types nobody can look up.
        kinds = {}
    for name, value in given.items():
        is_list = signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL
        for each in value if is_list else (value,):
            if name in kinds and not _fits(each, kinds[name]):
                words = _in_words(kinds[name])
                raise LabError(f"{view.__name__}: {name} takes {words}, not {_shown(each)}; {usage}")


def _fits(value: object, kind: Any) -> bool:
    origin = get_origin(kind)
    if origin in _UNIONS:
        return any(_fits(value, each) for each in get_args(kind))
    if origin is Sequence:
        (item,) = get_args(kind)
        is_list = isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping)
        return is_list and all(_fits(each, item) for each in value)  # type: ignore[attr-defined]
    if members := _members(kind):
        return not isinstance(value, type) and all(_has(value, name) for name in members)
    if kind in (int, float, bool):  # Those of numpy and pandas among them.
        return _is_number(value, kind)
    return isinstance(value, kind) if isinstance(kind, type) else True


def _is_number(value: object, kind: type) -> bool:
    if kind is bool:
        return isinstance(value, bool) or value in (0, 1)
    if not isinstance(value, numbers.Real):
        return False
    return kind is float or float(value).is_integer()


def _members(kind: Any) -> list[str]:
    """What a protocol asks for; nothing for other types."""
    if not getattr(kind, "_is_protocol", False):
        return []
    bases = [vars(base) for base in kind.__mro__ if getattr(base, "_is_protocol", False)]
    names = {name for base in bases for name in (*base, *base.get("__annotations__", ()))}
    return sorted(name for name in names if not name.startswith("_"))


def _has(value: object, name: str) -> bool:
    """Whether it has this attribute, without asking for it: a lab would ask its cloud."""
    try:
        inspect.getattr_static(value, name)
    except AttributeError:
        return False
    return True


def _in_words(kind: Any) -> str:
    if get_origin(kind) in _UNIONS:
        return " or ".join(_in_words(each) for each in get_args(kind) if each is not types.NoneType)
    if get_origin(kind) is Sequence:
        return f"a list of {_in_words(get_args(kind)[0])}"
    members = _members(kind)
    if "journal" in members:
        return "a lab, as `lab = Lab()` makes it"
    return f"something with {', '.join(members)}" if members else str(_WORDS.get(kind, kind))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
