"""The registry finds what a call runs, keeps published versions as they were, and tells who listens what changed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from labhelpers.errors import AwsError
from labhelpers.functions import aliases, event_invoke, permissions
from labhelpers.functions.package import PackageStore, remove_tree
from labhelpers.functions.registry import FunctionRegistry
from labhelpers.functions.settings import EventInvokeConfig, EventInvokeSettings, FunctionSettings, Logging
from labhelpers.journal import Journal
from tests.deployment_packages import FUNCTION_ARN, ROLE, make_zip

SETTINGS = FunctionSettings("python3.12", "index.handler", ROLE, Logging("/aws/lambda/fn"))
ARN = f"{FUNCTION_ARN}:fn"


class Registry(FunctionRegistry):
    """A registry with counted ids, a chance that tests set, and short words for what they do often."""

    def __init__(self, folder: Path) -> None:
        self.dice = 0.0
        ids = itertools.count(1)
        super().__init__(
            PackageStore(folder),
            now=lambda: 1_700_000_000.0,
            new_id=lambda: f"id-{next(ids)}",
            chance=lambda: self.dice,
            journal=Journal(),
        )
        self.changes: list[str] = []
        self.on_change.append(self.changes.append)

    async def make(self, name: str = "fn", *, code: str = "1") -> None:
        self.create(name, SETTINGS, await self.packages.unpack(make_zip({"index.py": code})))

    async def recode(self, code: str) -> None:
        self.update("fn", package=await self.packages.unpack(make_zip({"index.py": code})))

    def kept(self) -> int:
        """How many packages lie on disk."""
        return len(list(self.packages._folder.iterdir()))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """An empty registry."""
    folder = tmp_path / "packages"
    yield Registry(folder)
    remove_tree(folder)


def refusal(error: pytest.ExceptionInfo[AwsError]) -> tuple[int, str]:
    """Status and message of an AwsError."""
    return error.value.status, error.value.message


async def test_every_form_of_a_name_resolves_to_one_object(registry: Registry) -> None:
    """Pools tell versions apart by object or revision: both are the same whatever the caller wrote."""
    await registry.make()
    resolved = [registry.resolve(form) for form in ("fn", ARN, "function:fn", "123456789012:function:fn")]
    assert {id(found.version) for found in resolved} == {id(resolved[0].version)}
    assert [found.invoked_arn for found in resolved] == [ARN] * 4
    qualified = registry.resolve(f"{ARN}:$LATEST")
    assert (qualified.invoked_arn, qualified.executed_version) == (f"{ARN}:$LATEST", "$LATEST")
    assert registry.resolve("fn", "$LATEST").version is resolved[0].version


@pytest.mark.parametrize(
    ("function", "qualifier", "named"),
    [
        ("nope", "", "nope:$LATEST"),
        ("fn", "9", "fn:9"),
        ("fn:live", "", "fn:live"),
        ("fn", "$latest", "fn:$latest"),
    ],
)
async def test_what_is_not_there_is_not_found(
    registry: Registry, function: str, qualifier: str, named: str
) -> None:
    """AWS names $LATEST where the caller gave no qualifier; a failure is not remembered."""
    await registry.make()
    for _ in range(2):
        with pytest.raises(AwsError) as caught:
            registry.resolve(function, qualifier)
        assert refusal(caught) == (404, f"Function not found: {FUNCTION_ARN}:{named}")


async def test_change_makes_a_new_revision_for_pools(registry: Registry) -> None:
    """Code and settings do; concurrency gives the same revision with another number."""
    await registry.make()
    first = registry.resolve("fn").version
    registry.set_reserved_concurrency("fn", 7)
    reserved = registry.resolve("fn").version
    assert (reserved.revision, reserved.reserved_concurrency) == (first.revision, 7)
    registry.update("fn", settings=replace(SETTINGS, timeout_s=9))
    second = registry.resolve("fn").version
    assert second.timeout_s == 9
    await registry.recode("2")
    assert len({first.revision, second.revision, registry.resolve("fn").version.revision}) == 3


async def test_listeners_hear_every_change(registry: Registry) -> None:
    """The unqualified ARN, for code, settings, concurrency, versions and the end."""
    await registry.make()
    await registry.recode("2")
    registry.set_reserved_concurrency("fn", 0)
    registry.publish("fn")
    registry.delete("fn")
    assert registry.changes == [ARN] * 5
    kinds = [entry.kind for entry in registry._journal.since()] if registry._journal else []
    assert kinds == [
        "function.created",
        "function.updated",
        "function.concurrency",
        "version.published",
        "function.deleted",
    ]


async def test_published_version_keeps_code_and_settings(registry: Registry) -> None:
    """Whatever happens to $LATEST."""
    await registry.make(code="one")
    registry.publish("fn")
    before = registry.resolve("fn:1").version
    await registry.recode("two")
    registry.update("fn", settings=replace(SETTINGS, memory_mb=512))
    after = registry.resolve("fn", "1").version
    assert (after.code_root / "index.py").read_text() == "one"
    assert (after.memory_mb, after.revision) == (128, before.revision)
    assert registry.resolve("fn").version.memory_mb == 512


async def test_publishing_without_a_change_gives_the_same_version(registry: Registry) -> None:
    """Settings that are set to what they are change nothing; numbers are never used again."""
    await registry.make()
    assert registry.publish("fn", description="first").version == "1"
    registry.update("fn", settings=SETTINGS)
    again = registry.publish("fn", description="other")
    assert (again.version, again.settings.description) == ("1", "first")
    registry.update("fn", settings=replace(SETTINGS, description="new"))
    assert registry.publish("fn").version == "2"
    registry.delete_version("fn", "2")
    assert registry.publish("fn").version == "3"


async def test_revision_id_guards_changes(registry: Registry) -> None:
    """A caller who saw an older state is told so, and nothing changes."""
    await registry.make()
    shown = registry.get("fn").latest.revision_id
    registry.update("fn", settings=replace(SETTINGS, timeout_s=4), revision_id=shown)
    for work in (registry.update, registry.publish):
        with pytest.raises(AwsError, match="Call the GetFunction/GetAlias API") as caught:
            work("fn", revision_id=shown)
        assert (caught.value.code, caught.value.status) == ("PreconditionFailedException", 412)


async def test_answer_shows_the_state_before_it_is_settled(registry: Registry) -> None:
    """As on AWS the revision of the answer is gone once the function is active."""
    package = await registry.packages.unpack(make_zip())
    answered = registry.create("fn", SETTINGS, package)
    assert answered.revision_id != registry.get("fn").latest.revision_id


async def test_packages_go_with_the_last_version_that_has_them(registry: Registry) -> None:
    """Versions share the package of $LATEST until that gets another."""
    await registry.make(code="one")
    registry.publish("fn")
    await registry.recode("two")
    assert registry.kept() == 2
    registry.delete_version("fn", "1")
    assert registry.kept() == 1
    await registry.make("other", code="three")
    registry.delete("fn")
    assert registry.kept() == 1


async def test_failed_create_leaves_the_package_to_the_caller(registry: Registry) -> None:
    """Who handed it over may release it."""
    await registry.make()
    package = await registry.packages.unpack(make_zip({"a": "b"}))
    with pytest.raises(AwsError) as caught:
        registry.create("fn", SETTINGS, package)
    assert refusal(caught) == (409, "Function already exist: fn")
    registry.packages.release(package)
    assert registry.kept() == 1


async def test_weighted_alias_chooses_by_chance(registry: Registry) -> None:
    """The weight is the share of the other version; both are named by the alias's ARN."""
    await registry.make()
    registry.publish("fn")
    await registry.recode("2")
    registry.publish("fn")
    aliases.create(registry, "fn", "live", "1", weights={"2": 0.25})
    chosen = []
    for registry.dice in (0.0, 0.24, 0.25, 0.99):
        resolved = registry.resolve("fn", "live")
        assert (resolved.invoked_arn, resolved.alias) == (f"{ARN}:live", "live")
        chosen.append(resolved.executed_version)
    assert chosen == ["2", "2", "1", "1"]


async def test_alias_moves_at_once(registry: Registry) -> None:
    """What was resolved before is found anew."""
    await registry.make()
    registry.publish("fn")
    aliases.create(registry, "fn", "live", "$LATEST")
    assert registry.resolve("fn:live").executed_version == "$LATEST"
    aliases.update(registry, "fn", "live", version="1")
    assert registry.resolve("fn:live").executed_version == "1"
    aliases.delete(registry, "fn", "live")
    with pytest.raises(AwsError, match=f"Function not found: {ARN}:live"):
        registry.resolve("fn:live")


async def test_version_that_an_alias_names_stays(registry: Registry) -> None:
    """Also when it only has a weight."""
    await registry.make()
    registry.publish("fn")
    await registry.recode("2")
    registry.publish("fn")
    aliases.create(registry, "fn", "live", "1", weights={"2": 0.5})
    for version in ("1", "2"):
        with pytest.raises(AwsError) as caught:
            registry.delete_version("fn", version)
        assert refusal(caught) == (
            409,
            "Unable to delete version because the following aliases reference it: [live]",
        )


async def test_reserved_concurrency_leaves_a_hundred(registry: Registry) -> None:
    """Of the account's thousand, over all functions."""
    await registry.make()
    await registry.make("other")
    registry.set_reserved_concurrency("fn", 800)
    with pytest.raises(AwsError, match=r"below its minimum value of \[100\]"):
        registry.set_reserved_concurrency("other", 101)
    registry.set_reserved_concurrency("other", 100)
    registry.set_reserved_concurrency("fn", None)
    registry.set_reserved_concurrency("other", 900)


async def test_resource_policy_is_that_of_the_qualifier(registry: Registry) -> None:
    """A permission for the function is none for its alias, and goes with the alias."""
    await registry.make()
    registry.publish("fn")
    aliases.create(registry, "fn", "live", "1")
    conditions = {"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}}

    def allow(form: str) -> None:
        permissions.add(
            registry,
            registry.reference(form),
            sid="s3",
            principal="s3.amazonaws.com",
            action="lambda:InvokeFunction",
            conditions=conditions,
        )

    def allowed(qualifier: str = "", *, arn: str = "arn:aws:s3:::b") -> bool:
        return registry.allows("fn", qualifier, principal="s3.amazonaws.com", source_arn=arn)

    allow("fn")
    assert [allowed(), allowed("$LATEST"), allowed("live"), allowed(arn="arn:aws:s3:::c")] == [
        True,
        True,
        False,
        False,
    ]
    allow("fn:live")
    assert allowed("live")
    aliases.delete(registry, "fn", "live")
    aliases.create(registry, "fn", "live", "1")
    assert not allowed("live")
    assert not registry.allows("nope", principal="s3.amazonaws.com")


async def test_event_invoke_config_has_awss_defaults(registry: Registry) -> None:
    """Six hours, two more tries, no targets; the dead-letter queue is a setting of the function."""
    await registry.make()
    assert registry.event_invoke_config(ARN, "") == EventInvokeConfig(21_600, 2)
    registry.update("fn", settings=replace(SETTINGS, dead_letter_arn="arn:aws:sqs:us-east-1:1:q"))
    settings = EventInvokeSettings(0.0, 60, 0, on_failure="arn:aws:sns:us-east-1:1:t")
    event_invoke.put(registry, registry.reference("fn"), settings)
    assert registry.event_invoke_config("fn", "$LATEST") == EventInvokeConfig(
        60, 0, "", "arn:aws:sns:us-east-1:1:t", "arn:aws:sqs:us-east-1:1:q"
    )
    with pytest.raises(AwsError, match="Function not found"):
        registry.event_invoke_config("nope", "")
