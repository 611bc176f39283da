"""The same function in every language: its event says what to do. And what makes a package of each source.

`{"do": "echo"}` returns the event; context, env, count, log, fail, sleep, exit and allocate do what they say.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from labhelpers.functions import runtimes_java, runtimes_programs, runtimes_table

RUNTIMES = Path(runtimes_table.__file__).parents[1] / "runtimes"

PYTHON = """
import os, time
count = 0
def handler(event, context):
    global count
    do = event["do"]
    if do == "context":
        return {"id": context.aws_request_id, "arn": context.invoked_function_arn, "name": context.function_name,
            "memory": int(context.memory_limit_in_mb), "left": context.get_remaining_time_in_millis()}
    if do == "env": return os.environ.get(event["name"])
    if do == "count":
        count += 1
        return count
    if do == "log": print("logged ü")
    if do == "fail": raise ValueError("bad ü")
    if do == "sleep": time.sleep(3600)
    if do == "exit": os._exit(3)
    if do == "allocate":
        held = []
        while True: held.append(b"x" * 10_000_000)
    return event
"""
NODE = """
let count = 0;
const handle = async (event, context) => {
  switch (event.do) {
    case "context": return { id: context.awsRequestId, arn: context.invokedFunctionArn, name: context.functionName,
      memory: Number(context.memoryLimitInMB), left: context.getRemainingTimeInMillis() };
    case "env": return process.env[event.name];
    case "count": return ++count;
    case "log": console.log("logged ü"); break;
    case "fail": throw new TypeError("bad ü");
    case "sleep": await new Promise((resolve) => setTimeout(resolve, 3600_000)); break;
    case "exit": process.exit(3);
    case "allocate": for (const held = []; ; ) held.push(Buffer.alloc(10_000_000, 1));
  }
  return event;
};
"""
RUBY = """
$count = 0
def handler(event:, context:)
  case event['do']
  when 'context'
    return { id: context.aws_request_id, arn: context.invoked_function_arn, name: context.function_name,
             memory: context.memory_limit_in_mb.to_i, left: context.get_remaining_time_in_millis }
  when 'env' then return ENV[event['name']]
  when 'count' then return $count += 1
  when 'log' then puts 'logged ü'
  when 'fail' then raise ArgumentError, 'bad ü'
  when 'sleep' then sleep 3600
  when 'exit' then exit!(3)
  when 'allocate'
    held = []
    loop { held << 'x' * 10_000_000 }
  end
  event
end
"""
JAVA = """
package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

public class Handler implements RequestHandler<Map<String, Object>, Object> {
    private static int count;

    @Override
    public Object handleRequest(Map<String, Object> event, Context context) {
        switch ((String) event.get("do")) {
            case "context":
                return Map.of("id", context.getAwsRequestId(), "arn", context.getInvokedFunctionArn(),
                    "name", context.getFunctionName(), "memory", context.getMemoryLimitInMB(),
                    "left", context.getRemainingTimeInMillis());
            case "env":
                return System.getenv((String) event.get("name"));
            case "count":
                return ++count;
            case "log":
                System.out.println("logged ü");
                return event;
            case "fail":
                throw new IllegalStateException("bad ü");
            case "sleep":
                try {
                    Thread.sleep(3_600_000);
                } catch (InterruptedException error) {
                    throw new IllegalStateException(error);
                }
                return event;
            case "exit":
                Runtime.getRuntime().halt(3);
                return event;
            case "allocate":
                List<byte[]> held = new ArrayList<>();
                while (true) {
                    byte[] some = new byte[10_000_000];
                    Arrays.fill(some, (byte) 1);
                    held.add(some);
                }
            default:
                return event;
        }
    }
}
"""
GO = """
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

var count int
var held [][]byte

func handle(event map[string]any, context Context) (any, error) {
	switch event["do"] {
	case "context":
		memory, _ := strconv.Atoi(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"))
		return map[string]any{"id": context.RequestID, "arn": context.FunctionArn, "memory": memory,
			"name": os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), "left": time.Until(context.Deadline).Milliseconds()}, nil
	case "env":
		return os.Getenv(event["name"].(string)), nil
	case "count":
		count++
		return count, nil
	case "log":
		fmt.Println("logged ü")
	case "fail":
		return nil, errors.New("bad ü")
	case "panic":
		panic("bad ü")
	case "panic-nil":
		panic(nil)
	case "sleep":
		time.Sleep(time.Hour)
	case "exit":
		os.Exit(3)
	case "allocate":
		for {
			some := make([]byte, 10_000_000)
			for i := range some {
				some[i] = 1
			}
			held = append(held, some)
		}
	}
	return event, nil
}
"""
CSHARP = """
using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;

public static class Function
{
    static int count;
    static readonly List<byte[]> held = new List<byte[]>();

    public static string Handle(string json, Context context)
    {
        if (Does(json, "context"))
            return "{\\"id\\":" + Json.Quote(context.RequestId) + ",\\"arn\\":" + Json.Quote(context.FunctionArn)
                + ",\\"name\\":" + Json.Quote(Variable("AWS_LAMBDA_FUNCTION_NAME"))
                + ",\\"memory\\":" + Variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
                + ",\\"left\\":" + context.RemainingMilliseconds + "}";
        if (Does(json, "env")) return Json.Quote(Variable(json.Split('"')[7]) ?? "");
        if (Does(json, "count")) return (++count).ToString();
        if (Does(json, "log")) Console.WriteLine("logged ü");
        if (Does(json, "fail")) throw new InvalidOperationException("bad ü");
        if (Does(json, "sleep")) Thread.Sleep(3600000);
        if (Does(json, "exit")) Environment.Exit(3);
        while (Does(json, "allocate")) held.Add(Enumerable.Repeat((byte)1, 10000000).ToArray());
        return json;
    }

    static bool Does(string json, string what)
    {
        return json.Contains("\\"do\\": \\"" + what + "\\"");
    }

    static string Variable(string name)
    {
        return Environment.GetEnvironmentVariable(name);
    }
}
"""
CPP = """
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>
#include "runtime.hpp"

static int count = 0;
static std::vector<std::vector<char>> held;

static std::string handle(const std::string& event, const lambda::Context& context) {
    const auto does = [&](const char* what) {
        return event.find("\\"do\\": \\"" + std::string(what)) != std::string::npos;
    };
    if (does("context")) {
        const auto now = std::chrono::system_clock::now().time_since_epoch();
        const auto now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
        return "{\\"id\\":" + lambda::quoted(context.request_id) +
               ",\\"arn\\":" + lambda::quoted(context.function_arn) +
               ",\\"name\\":" + lambda::quoted(getenv("AWS_LAMBDA_FUNCTION_NAME")) +
               ",\\"memory\\":" + getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") +
               ",\\"left\\":" + std::to_string(context.deadline_ms - now_ms) + "}";
    }
    if (does("env")) {
        const auto start = event.find(": \\"", event.find("\\"name\\"")) + 3;
        const char* value = getenv(event.substr(start, event.find('"', start) - start).c_str());
        return lambda::quoted(value ? value : "");
    }
    if (does("count")) return std::to_string(++count);
    if (does("log")) std::cout << "logged ü" << std::endl;
    if (does("fail")) throw std::runtime_error("bad ü");
    if (does("sleep")) std::this_thread::sleep_for(std::chrono::hours(1));
    if (does("exit")) _exit(3);
    while (does("allocate")) held.emplace_back(10'000'000, 1);
    return event;
}

int main() { lambda::run(handle); }
"""
BASH = """
handler() {
    local do name
    do=$(sed 's/.*"do": "\\([a-z]*\\)".*/\\1/' <<<"$1")
    case $do in
        context)
            echo "{\\"id\\": \\"$REQUEST_ID\\", \\"arn\\": \\"$(header invoked-function-arn)\\", \\"name\\":" \\
                "\\"$AWS_LAMBDA_FUNCTION_NAME\\", \\"memory\\": $AWS_LAMBDA_FUNCTION_MEMORY_SIZE," \\
                "\\"left\\": $((DEADLINE_MS - $(date +%s%3N)))}" ;;
        env)
            name=$(sed 's/.*"name": "\\([A-Z_a-z]*\\)".*/\\1/' <<<"$1")
            echo "\\"${!name:-}\\"" ;;
        count)
            name=$(($(cat /tmp/count 2>/dev/null || echo 0) + 1))
            echo $name >/tmp/count
            echo $name ;;
        log) echo "logged ü" >&2; echo "$1" ;;
        fail) echo "bad ü" >&2; return 7 ;;
        sleep) sleep 3600 ;;
        exit) kill -s KILL $$ ;;
        *) cat <<<"$1" ;;
    esac
}
"""
POWERSHELL = """
$script:count = 0
function handler($LambdaInput, $LambdaContext) {
    switch ($LambdaInput.do) {
        'context' {
            $now = [DateTimeOffset]::UtcNow.ToUnixTimeMilliseconds()
            return @{ id = $LambdaContext.AwsRequestId; arn = $LambdaContext.InvokedFunctionArn
                name = $env:AWS_LAMBDA_FUNCTION_NAME; memory = [int]$env:AWS_LAMBDA_FUNCTION_MEMORY_SIZE
                left = $LambdaContext.DeadlineMs - $now }
        }
        'env' { return [Environment]::GetEnvironmentVariable($LambdaInput.name) }
        'count' { $script:count++; return $script:count }
        'log' { Write-Host 'logged ü' }
        'fail' { throw 'bad ü' }
        'sleep' { Start-Sleep -Seconds 3600 }
        'exit' { [Environment]::Exit(3) }
        'allocate' {
            $held = [System.Collections.Generic.List[byte[]]]::new()
            while ($true) { $some = [byte[]]::new(10000000); [Array]::Fill($some, [byte]1); $held.Add($some) }
        }
    }
    return $LambdaInput
}
"""


@dataclass(frozen=True)
class InLanguage:
    """The function in one language: its package is what `build` puts into a folder.

    `needs` are programs; `error_type` is what its `fail` is called, `stack` where the trace is and what stands in it.
    """

    name: str
    runtime: str
    build: Callable[[Path], None]
    handler: str = "index.handler"
    needs: tuple[str, ...] = ()
    error_type: str = ""
    stack: tuple[str, str] = ("stackTrace", "")
    exit_error: str = "exit status 3"
    memory_mb: int = 256
    left_out: frozenset[str] = field(default_factory=frozenset)
    message: str = "bad ü"

    @property
    def missing(self) -> list[str]:
        """What of `needs` this machine lacks."""
        return [name for name in self.needs if not shutil.which(name)]

    def package(self) -> Path:
        """A folder with the package; what was compiled before is taken from the user's cache."""
        sources = b"".join(path.read_bytes() for path in sorted(RUNTIMES.rglob("*")) if path.is_file())
        here = Path(__file__).read_bytes()
        digest = hashlib.sha256(sources + here + self.name.encode() + _java_home().encode()).hexdigest()[:24]
        folder = platformdirs.user_cache_path("labhelpers") / "test-packages" / digest
        if not folder.exists():
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            self.build(part)
            part.rename(folder)
        return folder


def _java_home() -> str:
    java = runtimes_programs.find_java(17)
    return java.path if java else ""


def _file(name: str, text: str) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        (folder / name).write_text(text, encoding="utf-8")

    return build


def _run(folder: Path, *command: str, **env: str) -> None:
    import os

    subprocess.run(command, cwd=folder, check=True, env={**os.environ, **env}, timeout=300)


def _java(folder: Path) -> None:
    java = runtimes_programs.find_java(17)
    assert java is not None
    jar = runtimes_java.make_client(java) / runtimes_java.JAR
    (folder / "Handler.java").write_text(JAVA, encoding="utf-8")
    compiler = str(Path(java.path).with_name("javac"))
    _run(folder, compiler, "-encoding", "UTF-8", "-cp", str(jar), "-d", ".", "Handler.java")


def _go(folder: Path) -> None:
    shutil.copy(RUNTIMES / "go" / "runtime.go", folder)
    (folder / "handler.go").write_text(GO, encoding="utf-8")
    _run(
        folder,
        "go",
        "build",
        "-o",
        "bootstrap",
        "runtime.go",
        "handler.go",
        CGO_ENABLED="0",
        GO111MODULE="off",
    )


def _csharp(folder: Path) -> None:
    shutil.copy(RUNTIMES / "csharp" / "bootstrap", folder)
    (folder / "Function.cs").write_text(CSHARP, encoding="utf-8")
    _run(folder, "mcs", "-out:bootstrap.exe", str(RUNTIMES / "csharp" / "Runtime.cs"), "Function.cs")


def _cpp(folder: Path) -> None:
    (folder / "handler.cpp").write_text(CPP, encoding="utf-8")
    _run(folder, "g++", "-std=c++17", "-I", str(RUNTIMES / "cpp"), "-o", "bootstrap", "handler.cpp")


def _script(language: str, name: str, text: str) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        shutil.copy(RUNTIMES / language / "bootstrap", folder)
        (folder / name).write_text(text, encoding="utf-8")

    return build


AT_INDEX = "/var/task/index."
ALL = (
    InLanguage(
        "python",
        "python3.13",
        _file("index.py", PYTHON),
        error_type="ValueError",
        stack=("stackTrace", AT_INDEX),
    ),
    InLanguage(
        "node",
        "nodejs20.x",
        _file("index.js", NODE + "exports.handler = handle;"),
        needs=("node",),
        error_type="TypeError",
        stack=("trace", AT_INDEX),
    ),
    InLanguage(
        "node-module",
        "nodejs24.x",
        _file("index.mjs", NODE + "export const handler = handle;"),
        needs=("node",),
        error_type="TypeError",
        stack=("trace", AT_INDEX),
    ),
    InLanguage(
        "ruby",
        "ruby3.3",
        _file("index.rb", RUBY),
        needs=("ruby",),
        error_type="Function<ArgumentError>",
        stack=("stackTrace", AT_INDEX),
    ),
    InLanguage(
        "java",
        "java17",
        _java,
        handler="example.Handler",
        needs=("javac",),
        error_type="java.lang.IllegalStateException",
        stack=("stackTrace", "example.Handler.handleRequest(Handler.java:"),
    ),
    InLanguage("go", "provided.al2023", _go, needs=("go",), error_type="errorString"),
    InLanguage(
        "csharp-mono",
        "provided.al2023",
        _csharp,
        needs=("mcs", "mono"),
        error_type="InvalidOperationException",
        stack=("stackTrace", "at Function.Handle"),
    ),
    InLanguage("cpp", "provided.al2", _cpp, needs=("g++",), error_type="std::exception"),
    InLanguage(
        "bash",
        "provided.al2023",
        _script("bash", "index.sh", BASH),
        needs=("bash", "curl"),
        error_type="Runtime.HandlerFailed",
        message="handler returned 7",
        exit_error="signal: killed",
        left_out=frozenset({"allocate", "plain"}),
    ),
    InLanguage(
        "powershell",
        "provided.al2023",
        _script("powershell", "index.ps1", POWERSHELL),
        needs=("pwsh",),
        error_type="RuntimeException",
        stack=("stackTrace", "index.ps1"),
        memory_mb=512,
    ),
)
