"""One notebook with every view of labhelpers in it, each with something to show: for axe-core, and for pictures."""

from __future__ import annotations

SET_UP = """
from pathlib import Path
import json, boto3
from labhelpers import *
from labhelpers.course.pipeline import build_pipeline
lab = Lab()
pipeline = build_pipeline(lab.role_arn)
Path("greet.py").write_text('''import time

def handler(event, context):
    time.sleep(event.get("seconds", 0.0))
    return {"greeting": "Hello " + event["name"]}
''')
arn = deploy_function("greet", "greet.py", lab.role_arn)
gateway = boto3.client("apigatewayv2")
gateway.create_api(Name="greetings", ProtocolType="HTTP", Target=arn)
gateway.create_api(Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")
boto3.client("lambda").add_permission(
    FunctionName="greet", StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
)
call = lambda **event: boto3.client("lambda").invoke(FunctionName="greet", Payload=json.dumps(event))
call(name="Ada")
call(seconds=0.1)
boto3.client("s3").put_object(Bucket=pipeline.inbox, Key="cat.jpg", Body=b"x")
wait_for(lambda: len(lab.journal(kind="invoke.ended")) >= 4, "the pipeline")
"""

# Something for each gauge: a plan whose key has asked too often, an event that failed, calls by a weighted alias.
_FOR_GAUGES = """
import contextlib, urllib.request
apis, functions = boto3.client("apigateway"), boto3.client("lambda")
api = apis.create_rest_api(name="shop")["id"]
method = {"restApiId": api, "resourceId": apis.get_resources(restApiId=api)["items"][0]["id"], "httpMethod": "GET"}
apis.put_method(**method, authorizationType="NONE", apiKeyRequired=True)
apis.put_method_response(**method, statusCode="200")
apis.put_integration(**method, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
apis.put_integration_response(**method, statusCode="200")
apis.create_deployment(restApiId=api, stageName="live")
stages = [{"apiId": api, "stage": "live"}]
for tier, name, limit, asked in (("free", "ada", 8, 12), ("basic", "bob", 100, 3)):
    throttle, quota = {"rateLimit": 0.2, "burstLimit": 8}, {"limit": limit, "period": "DAY"}
    plan = apis.create_usage_plan(name=tier, throttle=throttle, quota=quota, apiStages=stages)["id"]
    key = apis.create_api_key(name=name, enabled=True)
    apis.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    address = f"{lab.endpoint_url}/_aws/execute-api/{api}/live/"
    for _ in range(asked):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(urllib.request.Request(address, headers={"x-api-key": key["value"]})).close()
for retries in (0, 2):
    functions.put_function_event_invoke_config(FunctionName="greet", MaximumRetryAttempts=retries)
    functions.invoke(FunctionName="greet", InvocationType="Event", Payload="{}")
    wait_for(lambda: lab.journal(kind="invoke.retry_in" if retries else "invoke.dropped"), "the failure")
functions.publish_version(FunctionName="greet")
functions.update_function_configuration(FunctionName="greet", Timeout=9)
functions.get_waiter("function_updated_v2").wait(FunctionName="greet")
functions.publish_version(FunctionName="greet")
weights = {"AdditionalVersionWeights": {"2": 0.25}}
functions.create_alias(FunctionName="greet", Name="live", FunctionVersion="1", RoutingConfig=weights)
for _ in range(20):
    functions.invoke(FunctionName="greet", Qualifier="live", Payload='{"name": "Ada"}')
"""

# The name of a view's picture, the class of its frame, and the line that makes it.
VIEWS = {
    "map": (".lv-map", "LiveMap(lab)"),
    "trace": (".lv-trace", "Trace(lab)"),
    "environments": (".lv-environments", "Environments(lab)"),
    "logs": (".lv-logs", "Logs(lab)"),
    "data": (".lv-data", "DataBrowser(lab)"),
    "api-console": (".lv-api-console", "ApiConsole(lab)"),
    "websocket-console": (".lv-websocket-console", "WebSocketConsole(lab)"),
    "gauges": (".lv-gauges", "Gauges(lab)"),
    "bill": (".lv-bill", "Bill(lab, plan_prices=0.02)"),
    "costs": (".lv-costs", "CostSliders()"),
    "meters": (".lv-meters", "Meters(lab, 'greet')"),
    "editor": (".lv-editor", "FunctionEditor('greet', 'greet.py')"),
    "event-form": (".lv-form", "EventForm('greet', {'a name': {'name': 'Ada'}})"),
    "upload": (".lv-upload", "UploadBox(pipeline.inbox)"),
}

# What happens before the picture of a view is taken, and after those of the views before it.
LATER = {"gauges": _FOR_GAUGES}

# What each shows, in a sentence: the alternative text of its picture.
WORDS = {
    "map": "Buckets, APIs, functions and a database, the arrows between them, and what has moved along these.",
    "trace": "One upload as a waterfall: object, event, cold start, run, and the same again for the second function.",
    "environments": "A lane for each execution environment: starting, busy, frozen; below it the concurrency.",
    "logs": "The lines that functions have written, with START, END and REPORT told apart, and a filter.",
    "data": "What buckets, queues, tables and the database hold.",
    "api-console": "An API's route is chosen, called, and answered; the function's event is shown beside it.",
    "websocket-console": "Several clients of a WebSocket API side by side, with their frames in order.",
    "bill": "What this lab would have cost on AWS, line by line, and the invoices of its usage plans.",
    "gauges": "A token bucket, a quota, waiting retries and the weights of an alias.",
    "costs": "A month as a function and as a server, with sliders, and where the two lines cross.",
    "meters": "Two meters on the same work: a server's, which always runs, and a function's.",
    "editor": "A function's code in an editor, with a button that deploys it.",
    "event-form": "An event is chosen or written, sent to a function, and its answer and log shown.",
    "upload": "A box that takes files to a bucket.",
}
