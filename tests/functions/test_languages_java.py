"""Java: how handlers are named, what they may take and return, and the errors that AWS's runtime names."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from labhelpers.functions import runtimes_java, runtimes_programs
from tests.functions.function_lab import FunctionLab

JDK = runtimes_programs.find_java(17)
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(JDK is None, reason="no javac"),
]

SOURCES = {
    "Types": """
package example;
import com.amazonaws.services.lambda.runtime.*;
import java.io.*;
import java.util.*;

public class Types {
    public enum Size { SMALL, LARGE }
    public record Point(int x, double y) { }
    public static class Item {
        private String name;
        private Size size;
        public List<Point> points;
        public String getName() { return name; }
        public void setName(String name) { this.name = name; }
        public Size getSize() { return size; }
        public void setSize(Size size) { this.size = size; }
        public boolean isNamed() { return name != null; }
    }
    public static class Order {
        private final Map<String, Item> items = new TreeMap<>();
        private Long total;
        public Map<String, Item> getItems() { return items; }
        public void setItems(Map<String, Item> given) { items.putAll(given); }
        public Long getTotal() { return total; }
        public void setTotal(Long total) { this.total = total; }
    }

    public Order order(Order order, Context context) { order.setTotal(order.getTotal() + 1); return order; }
    public List<Integer> doubled(List<Integer> numbers) {
        List<Integer> made = new ArrayList<>();
        for (int number : numbers) made.add(number * 2);
        return made;
    }
    public String upper(String text) { return text.toUpperCase(); }
    public int length(String text, Context context) { return text.length(); }
    public Object any(Object any) { return any; }
    public int[] array(int[] numbers) { Arrays.sort(numbers); return numbers; }
    public String nothing() { return "nothing given"; }
    public String onlyContext(Context context) { return context.getFunctionName(); }
    public void silent(Object any) { }
    public static String still(String text) { return text + "!"; }
    public void stream(InputStream in, OutputStream out, Context context) throws IOException { in.transferTo(out); }
    public void log(Object any, Context context) {
        context.getLogger().log("one\\ntwo");
        System.out.println("out ü");
        System.err.println("err");
        LambdaRuntime.getLogger().log("static");
    }
    public Map<String, Object> context(Object any, Context context) {
        Map<String, Object> seen = new HashMap<>();
        seen.put("memory", context.getMemoryLimitInMB());
        seen.put("group", context.getLogGroupName());
        seen.put("version", context.getFunctionVersion());
        seen.put("custom", context.getClientContext().getCustom());
        seen.put("identity", context.getIdentity().getIdentityId());
        return seen;
    }
    static class Mute extends RuntimeException {
        @Override public String getMessage() { throw new IllegalStateException(); }
    }
    public String mute(Object any) { throw new Mute(); }
    public String shut(Object any) {
        new Thread(() -> { while (true) { } }).start();
        System.out.close();
        System.err.close();
        throw new IllegalStateException("shut");
    }
    public String nested(Object any) { throw new IllegalStateException(new IOException("deep")); }
    public Object itself(Object any) { List<Object> list = new ArrayList<>(); list.add(list); return list; }
    public String overflow(Object any) { return overflow(any); }
}
""",
    "OfInterface": """
package example;
import com.amazonaws.services.lambda.runtime.*;
import java.util.*;
public class OfInterface implements RequestHandler<List<String>, String> {
    public String handleRequest(List<String> input, Context context) { return "INTERFACE " + input.get(0); }
    public String custom(Object input, Context context) { return "CUSTOM"; }
}
""",
    "OfStreams": """
package example;
import com.amazonaws.services.lambda.runtime.*;
import java.io.*;
public class OfStreams implements RequestStreamHandler {
    public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException {
        out.write('['); in.transferTo(out); out.write(']');
    }
}
""",
    "Broken": """
package example;
public class Broken {
    public Broken() { throw new IllegalStateException("cannot be made"); }
    public String handle(Object any) { return ""; }
}
""",
    "NoDefault": """
package example;
public class NoDefault {
    public NoDefault(int number) { }
    public String handle(Object any) { return ""; }
}
""",
}


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources, compiled."""
    assert JDK is not None
    jar = runtimes_java.make_client(JDK) / runtimes_java.JAR
    folder = tmp_path_factory.mktemp("java")
    for name, text in SOURCES.items():
        (folder / f"{name}.java").write_text(text, encoding="utf-8")
    compiler = Path(JDK.path).with_name("javac")
    sources = sorted(folder.glob("*.java"))
    subprocess.run([compiler, "-encoding", "UTF-8", "-cp", jar, "-d", folder / "out", *sources], check=True)
    return folder / "out"


def function(lab: FunctionLab, classes: Path, handler: str, **settings: Any) -> str:
    """A function in Java with these classes."""
    name = lab.function({}, **{"runtime": "java17", "handler": handler, "memory_mb": 256} | settings)
    shutil.copytree(classes, lab.registry.versions[name].code_root, dirs_exist_ok=True)
    return name


ITEM = {"name": "a", "size": "LARGE", "points": [{"x": 1, "y": 2.5}], "unknown": 1}


@pytest.mark.parametrize(
    ("handler", "event", "expected"),
    [
        (
            "Types::order",
            {"items": {"k": ITEM}, "total": 9_000_000_000},
            {
                "items": {"k": {"name": "a", "size": "LARGE", "points": [{"x": 1, "y": 2.5}], "named": True}},
                "total": 9_000_000_001,
            },
        ),
        ("Types::doubled", [1, 2], [2, 4]),
        ("Types::upper", "äb", "ÄB"),
        ("Types::length", "abc", 3),
        (
            "Types::any",
            {"a": [1, 2.5, None, True, 2**40, 2**80, "\u0001😀"]},
            {"a": [1, 2.5, None, True, 2**40, 2**80, "\u0001😀"]},
        ),
        ("Types::array", [3, 1], [1, 3]),
        ("Types::nothing", {}, "nothing given"),
        ("Types::silent", {}, None),
        ("Types::still", "a", "a!"),
        ("Types::stream", [1, 2], [1, 2]),
        ("OfInterface", ["x"], "INTERFACE x"),
        ("OfInterface::handleRequest", ["x"], "INTERFACE x"),
        ("OfInterface::custom", ["x"], "CUSTOM"),
        ("OfStreams", {"a": 1}, [{"a": 1}]),
    ],
)
async def test_handlers(
    isolated_lab: FunctionLab, classes: Path, handler: str, event: Any, expected: Any
) -> None:
    """Maps, lists, texts, numbers, records, classes with properties, streams; with and without a context; static."""
    assert await isolated_lab.value(function(isolated_lab, classes, f"example.{handler}"), event) == expected


@pytest.fixture
def jar(classes: Path, tmp_path: Path) -> Path:
    """The classes in a jar."""
    assert JDK is not None
    made = tmp_path / "code.jar"
    subprocess.run(
        [Path(JDK.path).with_name("jar"), "--create", "--file", made, "-C", classes, "."], check=True
    )
    return made


async def test_jars_in_lib_and_layers(isolated_lab: FunctionLab, jar: Path) -> None:
    """A zip with lib/*.jar, as Maven and Gradle make it; a layer's java/lib/*.jar."""
    lab = isolated_lab
    own = lab.function({"lib/x": ""}, runtime="java17", handler="example.Types::upper")
    shutil.copy(jar, lab.registry.versions[own].code_root / "lib")
    assert await lab.value(own, "a") == "A"
    layered = lab.function(
        {"x": ""}, runtime="java17", handler="example.Types::upper", layers={"a": {"java/lib/x": ""}}
    )
    shutil.copy(jar, lab.registry.versions[layered].layers[0].root / "java" / "lib")
    assert await lab.value(layered, "a") == "A"


@pytest.mark.parametrize(
    ("handler", "kind", "message"),
    [
        ("example.Nothere", "java.lang.ClassNotFoundException", "Class not found: example.Nothere"),
        (
            "example.Types::nothere",
            "",
            "No public method named nothere with appropriate method signature found on class example.Types",
        ),
        ("example.Types", "", "Class does not implement an appropriate handler interface: example.Types"),
        ("a::b::c", "", "Invalid handler: `a::b::c'"),
        ("example.Broken::handle", "java.lang.IllegalStateException", "cannot be made"),
        (
            "example.NoDefault::handle",
            "java.lang.NoSuchMethodException",
            "Class example.NoDefault has no public zero-argument constructor",
        ),
    ],
)
async def test_handlers_that_cannot_be_loaded(
    isolated_lab: FunctionLab, classes: Path, handler: str, kind: str, message: str
) -> None:
    """In the words of AWS's runtime; a constructor that throws fails INIT, the rest is said to each call."""
    name = function(isolated_lab, classes, handler)
    for _ in range(2):
        result = await isolated_lab.invoke(name, {})
        body = json.loads(result.payload)
        assert (body["errorMessage"], body.get("errorType", "")) == (message, kind)
    assert message in isolated_lab.log(name)


async def test_error_whose_own_code_fails(isolated_lab: FunctionLab, classes: Path) -> None:
    """Its class is told, and the same environment takes the next call."""
    lab = isolated_lab
    name = function(lab, classes, "example.Types::mute")
    for _ in range(2):
        body = await lab.failure(name, {})
        assert body["errorType"] == "example.Types$Mute"
        assert "whose message cannot be read" in body["errorMessage"]
    assert len(lab.environments(name)) == 1


async def test_error_is_told_though_the_function_has_closed_its_log(
    isolated_lab: FunctionLab, classes: Path
) -> None:
    """Nor does a thread that it has left keep the environment from going on."""
    name = function(isolated_lab, classes, "example.Types::shut", timeout_s=5)
    for _ in range(2):
        assert (await isolated_lab.failure(name, {}))["errorMessage"] == "shut"


async def test_errors_of_a_call(isolated_lab: FunctionLab, classes: Path) -> None:
    """Causes in the log, the function's own frames only, wrong JSON; the same environment takes the next call."""
    lab = isolated_lab
    nested = function(lab, classes, "example.Types::nested")
    body = await lab.failure(nested, {})
    assert body["errorMessage"] == "java.io.IOException: deep"
    assert [line.partition("(")[0] for line in body["stackTrace"]] == ["example.Types.nested"]
    assert "Caused by: java.io.IOException: deep" in lab.log(nested)
    upper = function(lab, classes, "example.Types::upper")
    body = await lab.failure(upper, {"an": "object"})
    assert (body["errorType"], body["errorMessage"]) == (
        "java.lang.RuntimeException",
        "An error occurred during JSON parsing",
    )
    assert await lab.value(upper, "a") == "A"
    assert len(lab.environments(upper)) == 1
    itself = function(lab, classes, "example.Types::itself")
    assert (await lab.failure(itself, {}))["errorType"] == "java.lang.IllegalArgumentException"
    overflow = function(lab, classes, "example.Types::overflow")
    body = await lab.failure(overflow, {})
    assert body["errorType"] == "java.lang.StackOverflowError"
    assert (await lab.failure(overflow, {}))["errorType"] == "java.lang.StackOverflowError"


async def test_log_and_context(isolated_lab: FunctionLab, classes: Path) -> None:
    """LambdaLogger makes one event of several lines; the context has what AWS gives."""
    lab = isolated_lab
    name = function(lab, classes, "example.Types::log")
    await lab.value(name, {})
    await lab.rested(name)
    assert lab.messages(name)[2:6] == ["one\ntwo", "out ü\n", "err\n", "static"]
    seen = await lab.value(
        function(lab, classes, "example.Types::context"),
        {},
        client_context=json.dumps({"custom": {"k": "ü"}}),
    )
    assert (seen["memory"], seen["version"], seen["custom"], seen["identity"]) == (
        256,
        "$LATEST",
        {"k": "ü"},
        None,
    )


async def test_client_is_compiled_once() -> None:
    """What was made is kept; it belongs to one JDK and to these sources."""
    assert JDK is not None
    folder = runtimes_java.make_client(JDK)
    made = (folder / runtimes_java.JAR).stat().st_mtime_ns
    assert runtimes_java.make_client(JDK) == folder == runtimes_java.client_folder(JDK)
    assert (folder / runtimes_java.JAR).stat().st_mtime_ns == made
    assert (folder / runtimes_java.ARCHIVE).exists()
