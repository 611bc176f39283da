"""The Velocity of mapping templates. The rules are AWS's: recorded by the tests of airspeed-ext, or on its page."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from labhelpers.gateway.templates import vtl_nodes, vtl_parser
from labhelpers.gateway.templates.mapping import Input, render
from labhelpers.gateway.templates.vtl_values import TemplateError, from_json


def made(template: str, **variables: Any) -> str:
    """The text that a template makes."""
    scope = vtl_nodes.Scope({name: from_json(value) for name, value in variables.items()})
    with contextlib.suppress(vtl_nodes.Stop, vtl_nodes.Break):
        vtl_parser.parse(template).write(scope)
    return "".join(scope.out)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain text, $ and # too", "plain text, $ and # too"),
        ("$a $!a ${a} $!{a}", "1 1 1 1"),
        ("$none|$!none|${none}", "||"),
        ("$m.x $m['x'] $m.get('x') ${m.x}y", "2 2 2 2y"),
        ("$l[0]$l.get(1)$l[9]|", "34|"),
        ("$m.none.more|", "|"),
        ("\\$a \\#if", "$a #if"),
        ("## a comment\nrest", "rest"),
        ("a #* block\ncomment *# b", "a  b"),
        ("$l $m", "[3,4] {x=2}"),
        ("#return($a) #evaluate ( ($a) ')' $a)$a", "#return($a) #evaluate ( ($a) ')' $a)1"),
        ("#open($a #13ff93 #x", "#open(1 #13ff93 #x"),
    ],
)
def test_references(template: str, expected: str) -> None:
    """What is there is written, what is not leaves nothing."""
    assert made(template, a=1, m={"x": 2}, l=[3, 4]) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("#set($x = 1)$x", "1"),
        ("#set($x = 'a$a')$x", "a$a"),
        ('#set($x = "a$a")$x', "a1"),
        ("#set($x = [1, 'b', [2]])$x.size()$x[1]", "3b"),
        ("#set($x = {'k': 1, 'l': {'m': 2}})$x.l.m", "2"),
        ("#set($x = [1..3])$x.size()", "3"),
        ("#set($x = {})#set($x.y = 5)$x.y", "5"),
        ("#set($x = [0])#set($x[0] = 7)$x[0]", "7"),
        ("#set($x = 1 + 2 * 3)$x", "7"),
        ("#set($x = (1 + 2) * 3)$x", "9"),
        ("#set($x = 7 / 2)$x", "3"),
        ("#set($x = -7 / 2)$x", "-3"),
        ("#set($x = 7 % 3)$x", "1"),
        ("#set($x = 'a' + 1)$x", "a1"),
        ("#set($x = 1.5 + 1)$x", "2.5"),
    ],
)
def test_set(template: str, expected: str) -> None:
    """Texts, numbers, lists, ranges, maps; whole numbers are divided as Java does."""
    assert made(template, a=1) == expected


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("$a == 1", True),
        ("$a != 1", False),
        ("$a > 0 && $a < 2", True),
        ("$a > 1 || $a == 1", True),
        ("!($a == 1)", False),
        ("!$a", False),
        ("$a", True),
        ("$no", False),
        ("$t == 'text'", True),
        ('$t == "te${x}xt"', True),
        ("$t != ''", True),
        ("$none == ''", True),
        ("$a >= 1 && $a <= 1", True),
        ("$t.length() == 4", True),
        ("$l.contains(3)", True),
        ("$l.isEmpty()", False),
    ],
)
def test_if(condition: str, holds: bool) -> None:
    """Only `false` is false."""
    template = f"#if({condition})yes#{{else}}no#end"
    assert made(template, a=1, no=False, t="text", l=[3]) == ("yes" if holds else "no")


def test_if_has_branches() -> None:
    """The first whose condition holds."""
    template = "#if($a == 1)one#elseif($a == 2)two#{elseif}($a == 3)three#else other#end"
    assert [made(template, a=a) for a in (1, 2, 3, 4)] == ["one", "two", "three", " other"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("#foreach($x in $l)$x#if($foreach.hasNext),#end#end", "3,4"),
        ("#foreach($x in $l)$foreach.index$foreach.count#end", "0112"),
        ("#foreach($x in $m)$x#end", "2"),
        ("#foreach($k in $m.keySet())$k=$m.get($k)#end", "x=2"),
        ("#foreach($e in $m.entrySet())$e.key=$e.value#end", "x=2"),
        ("#foreach($x in [1..3])#if($x == 2)#break#end$x#end", "1"),
        ("#foreach($x in [])never#end|$x", "|"),
        ("#foreach($x in $l)#foreach($y in $l)$x$y #end#end", "33 34 43 44 "),
        ("#set($x = 'kept')#foreach($x in $l)#end$x", "kept"),
    ],
)
def test_foreach(template: str, expected: str) -> None:
    """Over lists, the values of maps, ranges; its variables end with it."""
    assert made(template, l=[3, 4], m={"x": 2}) == expected


def test_define_and_stop() -> None:
    """A block to be used later; the end of all."""
    assert made("#define($b)<$x>#end#set($x = 1)$b#set($x = 2)$b") == "<1><2>"
    assert made("a#stop b") == "a"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("#set($x = 1) #set($y = 2)$x$y", "12"),
        ("$a #set($y = 2)|", "1|"),
        ("#if($a) \t#set($y = 2)|#end", "|"),
        ("text #set($y = 2)|", "text |"),
        ("\n  #set($y = 2)|", "\n  |"),
        ("#set($x = 1) $x #if($a)|#end", " 1 |"),
    ],
)
def test_set_takes_blanks_before_it_that_follow_no_text(template: str, expected: str) -> None:
    """AWS drops the blanks between a directive or reference and #set, not those that end a text."""
    assert made(template, a=1) == expected


def test_directives_take_their_blank_line_with_them() -> None:
    """But for what stands before them in it."""
    assert made('{\n#set($x = 1)\n#if($x == 1)\n  "x": $x\n#end\n}') == '{\n  "x": 1\n}'


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("$t.length()", "5"),
        ("$t.toUpperCase()", "A,B,C"),
        ("$t.replace(',', ';')", "a;b;c"),
        ("$t.replaceAll('[ab]', '<$0>')", "<a>,<b>,c"),
        ("$t.replaceAll('(b)', '$1$1')", "a,bb,c"),
        ("$t.split(',')[1]", "b"),
        ("$t.substring(2)", "b,c"),
        ("$t.substring(0, 1)", "a"),
        ("$t.indexOf('b')", "2"),
        ("$t.startsWith('a')", "true"),
        ("$t.contains('z')", "false"),
        ("$t.matches('[a-c,]+')", "true"),
        ("$t.concat('!')", "a,b,c!"),
        ("$t.equals('a,b,c')", "true"),
        ("$t.hashCode()", "90987982"),
        ("$l.size()", "2"),
        ("$l.add(5)$l", "true[3,4,5]"),
        ("$l.remove(0)$l", "3[4]"),
        ("$m.put('y', 1)$m.size()", "2"),
        ("$m.containsKey('x')", "true"),
        ("$m.getOrDefault('z', 9)", "9"),
        ("$m.remove('x')$m", "2{}"),
    ],
)
def test_methods_of_java(call: str, expected: str) -> None:
    """Of texts, lists and maps."""
    assert made(call, t="a,b,c", l=[3, 4], m={"x": 2}) == expected


@pytest.mark.parametrize(
    "template",
    [
        "#if($x)no end",
        "#foreach($x in $l)",
        "#set($x 1)",
        "#set($x = )",
        "#end",
        "#else",
        "#if(",
        "$t.nothing()",
        "$t.substring(9)",
        "$l.get(9)",
        "$t.replaceAll('(', '')",
        "#set($t.x = 1)",
        "#foreach($x in 5)#end",
    ],
)
def test_bad_templates_fail(template: str) -> None:
    """With an error that says why."""
    with pytest.raises(TemplateError):
        made(template, t="text", l=[1])


@pytest.mark.parametrize(
    "template",
    [
        "$t.__class__",
        "$t.__class__.__mro__",
        "$t.getClass()",
        "$l.__init__",
        "#set($x = $t.format)$x",
        "$m.__getitem__",
        "$t.join",
    ],
)
def test_nothing_of_python_can_be_reached(template: str) -> None:
    """Names that only Python knows lead nowhere."""
    try:
        assert made(template, t="text", l=[1], m={}) == ""
    except TemplateError:
        return


@pytest.mark.parametrize(
    "template",
    [
        "#foreach($a in [1..1000])#foreach($b in [1..1000])#foreach($c in [1..1000])x#end#end#end",
        "#set($s = 'x')#foreach($i in [1..1000])#set($s = $s + $s)#end",
        "#set($n = 2)#foreach($i in [1..1000])#set($n = $n * $n)#end",
        "#set($l = [1])#foreach($i in [1..1000])#set($l = [$l, $l])#end$l",
        "#define($d)$d#end$d",
        "#set($r = [1..999999999])",
        "#set($l = [1])$l.add($l)$l",
        "(" * 5_000,
        "#if(" + "(" * 5_000 + "1" + ")" * 5_000 + ")x#end",
        "$x" + ".y" * 100_000,
        "#if(true)" * 3_000 + "#end" * 3_000,
    ],
)
def test_no_template_runs_wild(template: str) -> None:
    """Steps, sizes and depths have bounds: the event loop goes on."""
    try:
        text = render(template, Input("{}"), {}, {})
    except TemplateError:
        return
    assert len(text) < 11_000_000
