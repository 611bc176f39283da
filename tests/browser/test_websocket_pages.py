"""The chat and the dashboard of notebook 16 as pages in a real browser, against a real lab."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from playwright.sync_api import Browser, Page, expect

from labhelpers import Lab, PageServer, deploy_function, page_url
from labhelpers.course.pipeline import HANDLERS

PAGES = Path(__file__).parents[2] / "notebooks" / "pages"
pytestmark = pytest.mark.browser


@dataclass(frozen=True, slots=True)
class Room:
    """A chat on the air, and a server of its pages."""

    lab: Lab
    address: str
    pages: PageServer

    def page(self, chrome: Browser, file: str, **parameters: str) -> Page:
        """A page of the folder in a browser window of its own."""
        page = chrome.new_context().new_page()
        page.goto(page_url(f"{self.pages.url}/{file}", **{"api": self.address, **parameters}))
        return page


def connect_routes(gateway: Any, lab: Lab, api_id: str, *routes: str) -> None:
    """Tie routes to the function `chat`, and put a stage on the air."""
    arn = f"arn:aws:lambda:{lab.region}:{lab.account_id}:function:chat"
    integration = gateway.create_integration(
        ApiId=api_id,
        IntegrationType="AWS_PROXY",
        IntegrationUri=f"arn:aws:apigateway:{lab.region}:lambda:path/2015-03-31/functions/{arn}/invocations",
        IntegrationMethod="POST",
    )["IntegrationId"]
    for route in routes:
        gateway.create_route(ApiId=api_id, RouteKey=route, Target=f"integrations/{integration}")
    gateway.create_stage(ApiId=api_id, StageName="live", AutoDeploy=True)


@pytest.fixture
def room() -> Iterator[Room]:
    """The course's chat, deployed as notebook 16 does it."""
    with Lab() as lab, PageServer(PAGES) as pages:
        gateway = boto3.client("apigatewayv2")
        boto3.client("dynamodb").create_table(
            TableName="people",
            KeySchema=[{"AttributeName": "connection_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "connection_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        settings = {"Timeout": 30, "Environment": {"Variables": {"PEOPLE": "people"}}}
        deploy_function("chat", HANDLERS / "chat.py", lab.role_arn, **settings)
        boto3.client("lambda").add_permission(
            FunctionName="chat",
            StatementId="from-gateway",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
        )
        api = gateway.create_api(
            Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
        )
        connect_routes(gateway, lab, api["ApiId"], "$connect", "$disconnect", "say")
        yield Room(lab, f"{api['ApiEndpoint']}/live", pages)


def test_two_people_chat(chrome: Browser, room: Room) -> None:
    """What one writes appears in both windows with the name; markup in it is text, not run."""
    ada, ben = (room.page(chrome, "chat.html", name=name) for name in ("Ada", "Ben"))
    for page, name in ((ada, "Ada"), (ben, "Ben")):
        expect(page.locator("#state")).to_have_text(f"{name} is connected")
    ada.get_by_label("Say").fill("Hello <img src=x onerror=alert(1)>")
    ada.get_by_role("button", name="Send").click()
    for page in (ada, ben):
        expect(page.locator("#said li")).to_have_text("Ada: Hello <img src=x onerror=alert(1)>")
        expect(page.locator("#said img")).to_have_count(0)
    ben.get_by_label("Say").fill("Hi Ada")
    ben.get_by_label("Say").press("Enter")
    expect(ada.locator("#said li").nth(1)).to_have_text("Ben: Hi Ada")


def test_leaving_takes_a_person_off_the_list(chrome: Browser, room: Room) -> None:
    """A closed window's connection ends, and the next message goes to the others alone."""
    ada, ben = (room.page(chrome, "chat.html", name=name) for name in ("Ada", "Ben"))
    expect(ben.locator("#state")).to_have_text("Ben is connected")
    expect(ada.locator("#state")).to_have_text("Ada is connected")
    ben.context.close()
    ada.get_by_label("Say").fill("Alone?")
    ada.get_by_role("button", name="Send").click()
    expect(ada.locator("#said li")).to_have_text("Ada: Alone?")


def test_dashboard_fills_by_itself(chrome: Browser, room: Room) -> None:
    """Values posted to the connection appear without the page asking."""
    page = room.page(chrome, "dashboard.html", api=f"{room.address}?name=Screen")
    expect(page.locator("#state")).to_contain_text("connected")
    connection = room.lab.journal(kind="websocket.connected")[-1]["detail"]["connection"]
    manager = boto3.client("apigatewaymanagementapi", endpoint_url=room.address.replace("ws://", "http://"))
    for value in range(70):
        manager.post_to_connection(ConnectionId=connection, Data=json.dumps({"value": value}).encode())
    expect(page.locator("#count")).to_have_text("(70 values so far)")
    expect(page.locator("#now")).to_have_text("69")
    points = page.locator("polyline").get_attribute("points") or ""
    assert len(points.split()) == 60
