"""APIs on the map: what they call by their settings, and what the journal tells of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from labhelpers.lab import Lab
from labhelpers.views.account_reader import AwsReader, changed_service
from labhelpers.views.api_things import WEBSOCKET, ApiAnswer, api_in, api_thing, describe_apis
from labhelpers.views.aws import make_client
from labhelpers.views.live_map import LiveMap
from labhelpers.views.map_data import build_map, event_text
from labhelpers.views.map_text import map_text
from labhelpers.views.tally import Tally
from labhelpers.views.tally_counts import Move
from labhelpers.views.things import CALL, CLIENT, EVENT, Link, Resources
from tests.conftest import wait_for
from tests.views.accounts import ACCOUNT, COPIER, WRITER, Writer, pipeline
from tests.views.gateway_account import (
    deploy_echo,
    make_http_api,
    make_rest_api,
    make_websocket_api,
    using,
)

URI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations"
SHOP, CHAT = api_thing("shop1"), api_thing("chat1")
STAGE = "arn:aws:apigateway:us-east-1::/apis/{}/stages/dev"
METHOD = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:shop1/dev/GET/orders"


def shop(*uris: tuple[str, str], **stages: dict[str, str]) -> ApiAnswer:
    """A REST API."""
    return ApiAnswer("REST", "shop1", "shop", uris=uris, stages=stages)


CHAT_API = ApiAnswer(WEBSOCKET, "chat1", "chat", uris=[("$default", URI.format(COPIER))], stages={"dev": {}})


def links_of(*apis: ApiAnswer) -> set[Link]:
    """What the settings of these APIs say."""
    return set(describe_apis(apis, Resources()).links)


def test_routes_to_one_function_are_one_link() -> None:
    """Labelled with all of them; the client is where requests come from."""
    uri = URI.format(COPIER)
    assert links_of(shop(("GET /orders", uri), ("POST /orders", uri), dev={})) == {
        Link(CLIENT, SHOP, CALL),
        Link(SHOP, COPIER, CALL, "GET /orders, POST /orders"),
    }


def test_aliases_and_plain_arns_name_their_function() -> None:
    """A REST integration's URI with an alias, an HTTP API's ARN, an authorizer."""
    uris = [("GET /", URI.format(f"{COPIER}:live")), ("authorizer", WRITER)]
    assert links_of(shop(*uris)) >= {
        Link(SHOP, COPIER, CALL, "GET /"),
        Link(SHOP, WRITER, CALL, "authorizer"),
    }


def test_stage_variables_choose_the_function() -> None:
    """One link for each function that a stage names; without a stage there is none."""
    uri = URI.format(COPIER.replace("copier", "${stageVariables.which}"))
    chosen = links_of(shop(("GET /", uri), dev={"which": "copier"}, prod={"which": "writer"}))
    assert {link.target for link in chosen if link.source == SHOP} == {COPIER, WRITER}
    assert links_of(shop(("GET /", uri))) == {Link(CLIENT, SHOP, CALL)}


def test_other_backends_are_facts() -> None:
    """A thing outside of the account is not drawn, but told."""
    (thing,) = describe_apis([shop(("GET /", "https://example.com/x"), dev={})], Resources()).things
    assert dict(thing.facts) == {"API id": "shop1", "Stages": "dev", "GET /": "https://example.com/x"}
    (bare,) = describe_apis([shop()], Resources()).things
    assert dict(bare.facts)["Stages"] == "none: nothing is deployed"


def test_websocket_api_sends_to_the_client() -> None:
    """As well as it is called."""
    assert links_of(CHAT_API) >= {Link(CLIENT, CHAT, CALL), Link(CHAT, CLIENT, EVENT)}


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        (METHOD, SHOP),
        (f"arn:aws:execute-api:us-east-1:{ACCOUNT}:shop1", SHOP),
        (STAGE.format("chat1"), CHAT),
        ("arn:aws:apigateway:us-east-1::/restapis/shop1/stages/dev", SHOP),
        (COPIER, ""),
        ("arn:aws:s3:::apis/shop1", ""),
    ],
)
def test_every_arn_of_an_api_names_it(arn: str, expected: str) -> None:
    """The journal has several."""
    assert api_in(arn) == expected


def test_request_goes_through_the_api_to_its_function() -> None:
    """Counted with the mistakes of its clients and its own; a call by the client itself goes past it."""
    write, tally = Writer(), Tally()
    write("invoke.started", COPIER, "r1", source="apigateway", source_arn=METHOD, event='{"a": 1}')
    write("invoke.ended", COPIER, "r1", status="success")
    write("gateway.request", METHOD, "r1", route="GET /orders", status=200)
    write("gateway.request", STAGE.format("shop1"), "r2", method="GET", path="/x", route="", status=404)
    write("gateway.request", METHOD, "r3", route="GET /orders", status=500, error="no permission")
    assert tally.add_all(write.entries) == [
        Move(SHOP, COPIER),
        Move(CLIENT, SHOP, "/orders"),
        Move(CLIENT, SHOP, "/x"),
        Move(CLIENT, SHOP, "/orders"),
    ]
    count = tally.of(SHOP)
    assert (count.arrived, count.client_errors, count.server_errors, count.last_failed) == (3, 1, 1, True)
    assert list(count.recent) == ["GET /orders: 200", "GET /x: 404", "GET /orders: 500 no permission"]
    assert tally.failure is not None
    assert (tally.failure.where, tally.failure.text) == (SHOP, "GET /orders: 500 no permission")
    assert tally.total().failed == 0  # Of invocations.


def test_function_s_own_words_say_why_an_api_failed() -> None:
    """The gateway's 502 that follows knows less; a later failure of another request is told again."""
    write, tally = Writer(), Tally()
    write("invoke.ended", COPIER, "r1", status="error", error_type="ValueError", error_message="no")
    write("gateway.request", METHOD, "r1", route="GET /orders", status=502, error="the function failed")
    for entry in write.entries:
        entry["trace_id"] = "Root=1"
    tally.add_all(write.entries)
    assert tally.failure is not None
    assert (tally.failure.where, tally.failure.text) == (COPIER, "ValueError: no")
    assert tally.of(SHOP).last_failure == "GET /orders: 502 the function failed"
    tally.add({**write.entries[-1], "trace_id": "Root=2"})
    assert tally.failure.where == SHOP


def test_messages_go_both_ways() -> None:
    """Who gave one to @connections is told, too: a function by its role's session."""
    write, tally = Writer(), Tally()
    tally.know({"copier": COPIER}, ())
    stage = STAGE.format("chat1")
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/lab/copier"
    write("websocket.connected", stage, "r1", connection="c1", route="$connect", status=200)
    write("websocket.connected", stage, "r2", connection="c2", route="$connect", status=200)
    write("websocket.refused", stage, "r3", connection="c3", route="$connect", status=403)
    write("websocket.message", stage, "r4", connection="c1", route="say", status=200)
    write("websocket.sent", stage, "r5", connection="c2", size=5, by="@connections", principal=session)
    write("websocket.sent", stage, "r4", connection="c1", size=7, by="route", principal="")
    write("websocket.disconnected", stage, "r6", connection="c2", route="$disconnect", status=200)
    assert tally.add_all(write.entries)[3:] == [
        Move(CLIENT, CHAT, "say"),
        Move(COPIER, CHAT, "@connections"),
        Move(CHAT, CLIENT, "5 bytes"),
        Move(CHAT, CLIENT, "7 bytes"),
        Move(CLIENT, CHAT, "$disconnect"),
    ]
    assert (tally.of(CHAT).connections, tally.of(CHAT).client_errors) == ({"c1"}, 1)
    found = build_map(describe_apis([CHAT_API], pipeline()), write.entries)
    assert found.now.statuses[CHAT].lines == ("1 message", "1 client, 1 \N{MULTIPLICATION SIGN} 4XX")
    assert "API chat -> You (event): 2 so far" in map_text(found).splitlines()


@pytest.mark.parametrize(
    ("service", "call", "expected"),
    [
        ("apigateway", "PUT /restapis/a1/resources/b/methods/GET/integration", "apigateway"),
        ("apigateway", "POST /usageplans", ""),
        ("apigateway", "GET /restapis", ""),
        ("apigatewayv2", "PATCH /v2/apis/a1/integrations/i", "apigatewayv2"),
        ("apigatewayv2", "GET /v2/apis", ""),
    ],
)
def test_only_changing_calls_make_the_map_read_again(service: str, call: str, expected: str) -> None:
    """What the map itself asks is a call, too."""
    assert changed_service({"kind": "api.call", "detail": {"service": service, "call": call}}) == expected


def test_event_is_shown_as_lines_of_json() -> None:
    """What is no JSON, or only the beginning of some, as it is."""
    assert event_text('{"a": "\u00e9"}') == '{\n  "a": "\u00e9"\n}'
    assert event_text({"a": 1}) == '{\n  "a": 1\n}'
    assert event_text('{"a": "cut') == '{"a": "cut'
    assert event_text("") == ""
    assert (
        event_text('{"a": "\\ud83d"}') == '{\n  "a": "\\ud83d"\n}'
    )  # Half a character, which no page can be sent.
    assert event_text("[" * 100_000) == "[" * 100_000


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab with an API of each kind, all before the function echo."""
    with Lab() as running:
        arn = deploy_echo(running, Path(tmp_path_factory.mktemp("echo")))
        make_rest_api(running, arn)
        make_http_api(arn)
        make_websocket_api(running, arn)
        yield running


def test_map_made_late_is_whole_at_once(lab: Lab) -> None:
    """A saved notebook keeps how it looks first: it asks what the journal says was used before."""
    live = LiveMap(lab)
    try:
        assert {node.name for node in live.data().picture.nodes} == {"You", "desk", "shop", "chat", "echo"}
    finally:
        live.close()


def test_real_apis_are_read_and_followed(lab: Lab) -> None:
    """Requests, messages and the client's own call each take their way; looking again is no change."""
    reader = AwsReader(make_client)
    assert reader.notice(lab.journal())
    found = reader.read()
    since = lab.journal()[-1]["seq"]
    assert reader.read() == found and not reader.notice(lab.journal(since=since))
    reader.close()
    apis = {thing.name: thing.id for thing in found.things if thing.kind == "api"}
    echo = found.named("function")["echo"]
    assert {link for link in found.links if link.target == echo} == {
        Link(apis["desk"], echo, CALL, "POST /parcels/{id}, GET /parcels/{id}"),
        Link(apis["shop"], echo, CALL, "$default"),
        Link(apis["chat"], echo, CALL, "$connect, $default"),
    }

    async def use() -> None:
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            await session.post(rest, json={})
            await session.get(endpoints["shop"])
            async with session.ws_connect(endpoints["chat"] + "/live") as socket:
                await socket.send_str("hello")
                await socket.receive_str(timeout=10)

    with using("apigatewayv2") as gateway:
        endpoints = {api["Name"]: api["ApiEndpoint"] for api in gateway.get_apis()["Items"]}
    rest = f"{lab.endpoint_url}/_aws/execute-api/{apis['desk'].partition(':')[2]}/dev/parcels/7"
    asyncio.run(use())
    wait_for(lambda: lab.journal(kind="websocket.disconnected"), "the end of the connection")
    with using("lambda") as functions:
        functions.invoke(FunctionName="echo", Payload=b'{"requestContext": {}}')["Payload"].read()
    tally = Tally()
    tally.know(found.named("function"), found.links)
    tally.add_all(lab.journal())
    gone = {pair: number for pair, number in tally.travelled.items() if pair[1] != pair[0]}
    assert gone == {
        (CLIENT, apis["desk"]): 1,
        (apis["desk"], echo): 1,
        (CLIENT, apis["shop"]): 1,
        (apis["shop"], echo): 1,
        (CLIENT, apis["chat"]): 3,
        (apis["chat"], echo): 2,  # It has no $disconnect route.
        (apis["chat"], CLIENT): 1,
        (CLIENT, echo): 1,
    }
