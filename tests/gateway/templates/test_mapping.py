"""Mapping templates with API Gateway's own variables, and templates of any kind at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labhelpers.gateway.templates.mapping import (
    Input,
    Overrides,
    TemplateError,
    render,
    render_with_overrides,
)

BODY = '{"name": "Rex", "tags": ["a", "b"], "nested": {"n": 1.50, "t": "quote \\" here"}, "none": null}'
PARAMS = {"path": {"id": "7"}, "querystring": {"q": "x y"}, "header": {"X-Mine": "1", "q": "from header"}}
CONTEXT = {"stage": "prod", "identity": {"sourceIp": "127.0.0.1"}, "requestId": "id"}


def made(template: str, body: str = BODY) -> str:
    """The text that a template makes of a request."""
    return render(template, Input(body, PARAMS), CONTEXT, {"v": "variable"})


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("$input.body", BODY),
        ("$input.json('$.name')", '"Rex"'),
        ("$input.path('$.name')", "Rex"),
        ("$input.json('$.tags')", '["a","b"]'),
        ("$input.path('$.tags')", '["a","b"]'),
        ("$input.path('$.tags[0]')", "a"),
        ("$input.path('$.tags').size()", "2"),
        ("$input.json('$.nested')", '{"n":1.5,"t":"quote \\" here"}'),
        ("$input.path('$.nested')", '{n=1.5, t=quote " here}'),
        ("$input.json('$.nothing')", '""'),
        ("$input.path('$.nothing')", ""),
        ("$input.params('id')$input.params('q')$input.params('x-mine')|$input.params('none')|", "7x y1||"),
        ("$input.params().path.id", "7"),
        ("#foreach($p in $input.params().header.keySet())$p #end", "X-Mine q "),
        ("$context.stage $context.identity.sourceIp $context.none.more|", "prod 127.0.0.1 |"),
        ("$stageVariables.v ${stageVariables.v}$stageVariables.none", "variable variable"),
    ],
)
def test_variables(template: str, expected: str) -> None:
    """`$input`, `$context`, `$stageVariables` as on AWS."""
    assert made(template) == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("escapeJavaScript($input.path('$.nested.t'))", 'quote \\" here'),
        ('escapeJavaScript("it\'s")', "it\\'s"),
        ("urlEncode('a b&c/ä')", "a+b%26c%2F%C3%A4"),
        ("urlDecode('a+b%26c')", "a b&c"),
        ("base64Encode('text')", "dGV4dA=="),
        ("base64Decode('dGV4dA==')", "text"),
        ("parseJson('{\"a\": [1, 2]}').a[1]", "2"),
    ],
)
def test_functions(call: str, expected: str) -> None:
    """`$util`."""
    assert made(f"$util.{call}") == expected


@pytest.mark.parametrize("body", ["no JSON", "[1", ""])
def test_body_that_is_no_json(body: str) -> None:
    """It is one text; without a body there is an empty object."""
    assert made("$input.path('$')", body) == (body or "{}")


def test_mapping_template_of_aws_s_documentation() -> None:
    """The passthrough template of the console: body, params and context, and it is JSON."""
    template = """#set($allParams = $input.params())
{
"body-json" : $input.json('$'),
"params" : {
#foreach($type in $allParams.keySet())
    #set($params = $allParams.get($type))
"$type" : {
    #foreach($paramName in $params.keySet())
    "$paramName" : "$util.escapeJavaScript($params.get($paramName))"
        #if($foreach.hasNext),#end
    #end
}
    #if($foreach.hasNext),#end
#end
},
"context" : { "stage" : "$context.stage", "source-ip" : "$context.identity.sourceIp" }
}"""
    found = json.loads(made(template))
    assert found["params"] == {
        "path": PARAMS["path"],
        "querystring": PARAMS["querystring"],
        "header": PARAMS["header"],
    }
    assert found["body-json"] == json.loads(BODY)
    assert found["context"] == {"stage": "prod", "source-ip": "127.0.0.1"}


def test_overrides_are_handed_on() -> None:
    """What templates set in `$context.requestOverride` and `$context.responseOverride`."""
    overrides = Overrides()
    template = (
        "#set($context.requestOverride.header.X = 'h')#set($context.requestOverride.path.p = 'p')"
        "#set($context.requestOverride.querystring.q = 'q')#set($context.responseOverride.status = 201)"
        "#set($context.responseOverride.header.Y = 'y')"
    )
    render_with_overrides(template, Input(BODY), CONTEXT, {}, overrides)
    assert (overrides.header, overrides.path, overrides.querystring) == ({"X": "h"}, {"p": "p"}, {"q": "q"})
    assert (overrides.response_status, overrides.response_header) == (201, {"Y": "y"})
    seen = render_with_overrides("$context.responseOverride.status", Input(""), CONTEXT, {}, overrides)
    assert seen == "201"


def test_context_of_the_request_is_not_changed() -> None:
    """A template that sets something sets it for itself."""
    made("#set($context.stage = 'other')#set($stageVariables.v = 'other')")
    assert CONTEXT["stage"] == "prod"


WRONG = (
    "$input.path() $input.nothing() $util.nothing('x') $util.parseJson('{') $util.base64Decode('!') "
    "$input.path('$[') $util.urlEncode()"
)


@pytest.mark.parametrize("template", WRONG.split())
def test_wrong_calls_fail(template: str) -> None:
    """TemplateError says what was wrong."""
    with pytest.raises(TemplateError):
        made(template)


# --- Any template ---

WORDS = [
    "#set($x = ", "#if($x == 1)", "#elseif(", "#else", "#end", "#foreach($i in $x)", "#break", "#stop", "#define($d)",
    "$x", "$!{x.y}", "$input.path('$.tags')", "$input.json('$')", "$input.params().get('header')", "$context", "$d",
    "$util.escapeJavaScript($x)", "$util.parseJson(", "[1..3]", "[1, 2]", "{'a': 1}", ".size()", ".get(0)", ".add(1)",
    ".put('a', $x)", ".replaceAll('a', '$1')", ".substring(1)", "(", ")", "'", '"', "1", "-", " + ", " / ", " && ", "!",
    "\n", "##", "#*", "*#", "\\", ".length()", "$stageVariables.v", " == ", ", ", "text", "\ud800", "ä", "\x00",
]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=14).map("".join), st.text(max_size=12))
@settings(max_examples=1500, deadline=None)
@example("$util.urlEncode($util.parseJson('\"\\ud800\"'))", "")
@example("$util.base64Encode($input.path('$'))", '"\\ud800"')
def test_any_template_makes_a_text_or_fails(template: str, body: str) -> None:
    """TemplateError, and no other error, whatever the template and the body are."""
    try:
        assert isinstance(made(template, body), str)
    except TemplateError:
        return


@given(st.text(max_size=60), st.text(max_size=20))
@settings(max_examples=500, deadline=None)
def test_any_text_is_a_template_or_fails(template: str, body: str) -> None:
    """As above, of all characters there are."""
    try:
        assert isinstance(made(template, body), str)
    except TemplateError:
        return


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
)


@given(JSON)
def test_json_of_any_body_is_the_body(document: Any) -> None:
    """`$input.json('$')` loses nothing."""
    text = json.dumps(document)
    found = made("$input.json('$')", text)
    assert found == json.dumps(
        "" if document is None else document, separators=(",", ":"), ensure_ascii=False
    )
