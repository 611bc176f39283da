"""Ruby: how handlers are named, what they may return, logs, and the errors that AWS's runtime names."""

from __future__ import annotations

import json
import re
import shutil
from typing import Any

import pytest

from tests.functions.function_lab import FunctionLab

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not shutil.which("ruby"), reason="no ruby"),
]


def function(lab: FunctionLab, code: str | dict[str, str], **settings: Any) -> str:
    """A function in Ruby of this index.rb, or these files."""
    files = {"index.rb": code} if isinstance(code, str) else code
    return lab.function(files, **{"runtime": "ruby3.4"} | settings)


@pytest.mark.parametrize(
    ("files", "handler", "expected"),
    [
        ({"index.rb": "def handler(event:, context:) = 1"}, "index.handler", 1),
        ({"index.rb": "class A\n  def self.go(event:, context:) = 2\nend"}, "index.A.go", 2),
        (
            {"index.rb": "module A\n  class B\n    def self.go(event:, context:) = 3\n  end\nend"},
            "index.A::B.go",
            3,
        ),
        ({"lib/a.rb": "def handler(event:, context:) = 4"}, "lib/a.handler", 4),
        (
            {"index.rb": "require 'other'\ndef handler(event:, context:) = X", "other.rb": "X = 5"},
            "index.handler",
            5,
        ),
    ],
)
async def test_handlers_are_found(
    lab: FunctionLab, files: dict[str, str], handler: str, expected: int
) -> None:
    """A method of a file, of a class, of a class in a module, of a file in a folder."""
    assert await lab.value(function(lab, files, handler=handler)) == expected


async def test_libraries_of_layers_are_found(lab: FunctionLab) -> None:
    """/opt/ruby/lib is searched, and gems are looked for where AWS looks."""
    code = "require 'one'\ndef handler(event:, context:) = [ONE, Gem.path]"
    found, gems = await lab.value(function(lab, code, layers={"a": {"ruby/lib/one.rb": "ONE = 1"}}))
    assert found == 1
    assert any(path.endswith("/vendor/bundle/ruby/3.4.0") for path in gems)
    assert any(path.endswith("/ruby/gems/3.4.0") for path in gems)


@pytest.mark.parametrize(
    ("code", "handler", "kind", "message"),
    [
        ("require 'nothere'", "index.handler", "Init<LoadError>", "cannot load such file -- nothere"),
        ("", "other.handler", "Init<LoadError>", "cannot load such file -- other"),
        ("def handler(", "index.handler", "Init<SyntaxError>", "/var/task/index.rb:1: syntax error"),
        ("raise 'no'", "index.handler", "Init<RuntimeError>", "no"),
        ("", "index", "Init<ArgumentError>", 'Invalid handler ["index"], must be of form'),
    ],
)
async def test_errors_of_loading(lab: FunctionLab, code: str, handler: str, kind: str, message: str) -> None:
    """Init<...>, with the paths of AWS; INIT_REPORT knows no such type."""
    name = function(lab, code, handler=handler)
    body = await lab.failure(name)
    assert body["errorType"] == kind
    assert body["errorMessage"].startswith(message)
    assert "\tPhase: init\tStatus: error\tError Type: Runtime.Unknown\n" in lab.log(name)


async def test_errors_of_a_call(lab: FunctionLab) -> None:
    """A StandardError leaves the runtime alive; a wrong name, exit() and the like end it; the next call works."""
    code = """
class OwnError < StandardError; end
$calls = 0
def handler(event:, context:)
  $calls += 1
  raise OwnError, 'bad' if event == 'own'
  nothere if event == 'name'
  exit 3 if event == 'exit'
  $calls
end"""
    name = function(lab, code)
    assert await lab.value(name, "") == 1
    own = await lab.failure(name, "own")
    assert (own["errorMessage"], own["errorType"]) == ("bad", "Function<OwnError>")
    assert len(own["stackTrace"]) == 1 and own["stackTrace"][0].startswith("/var/task/index.rb:6:in ")
    assert await lab.value(name, "") == 3
    log = lab.log(name)
    assert "Error raised from handler method" in log and '"errorType": "Function<OwnError>"' in log
    for event, kind in (("name", "Function<NameError>"), ("exit", "Function<SystemExit>")):
        assert (await lab.failure(name, event))["errorType"] == kind
        assert await lab.value(name, "") == 1
    assert "Critical exception from handler" in lab.log(name)


async def test_error_whose_own_code_fails(lab: FunctionLab) -> None:
    """Its class is told, and the same environment takes the next call."""
    code = """
class Mute < StandardError
  def message = raise('not this either')
end
$calls = 0
def handler(event:, context:)
  $calls += 1
  raise Mute if event == 'mute'
  $calls
end"""
    name = function(lab, code)
    body = await lab.failure(name, "mute")
    assert body["errorType"] == "Function<Mute>" and "whose message cannot be read" in body["errorMessage"]
    assert await lab.value(name, "") == 2


async def test_no_such_method(lab: FunctionLab) -> None:
    """Is found out by the call, as on AWS."""
    body = await lab.failure(function(lab, "X = 1"))
    assert body["errorType"] == "Function<NoMethodError>"


async def test_log(lab: FunctionLab) -> None:
    """One `puts` is one event; a Logger names the request; what is written directly stays as it is."""
    code = """
require 'logger'
LOGGER = Logger.new($stdout)
def handler(event:, context:)
  puts 'one', 'two'
  LOGGER.info('logged')
  print "printed\\n"
  $stderr.puts 'error'
end"""
    name = function(lab, code)
    await lab.value(name, request_id="r-1")
    await lab.rested(name)
    found = lab.messages(name)[2:6]
    assert found[0] == "one\ntwo"
    assert re.fullmatch(r"I, \[\S+ #\d+\]  INFO r-1 -- : logged\n", found[1])
    assert found[2:] == ["printed\n", "error\n"]


async def test_context_has_what_aws_gives(lab: FunctionLab) -> None:
    """Names and kinds of the values; the client's context is parsed."""
    code = """
def handler(event:, context:)
  names = %i[aws_request_id function_name function_version memory_limit_in_mb log_group_name log_stream_name
             invoked_function_arn client_context identity]
  names.to_h { |name| [name, context.send(name)] }
end"""
    seen = await lab.value(function(lab, code), client_context=json.dumps({"custom": {"ü": 1}}))
    assert (seen["memory_limit_in_mb"], seen["client_context"], seen["identity"]) == (
        "256",
        {"custom": {"ü": 1}},
        None,
    )
    assert seen["log_group_name"].startswith("/aws/lambda/") and seen["function_version"] == "$LATEST"
