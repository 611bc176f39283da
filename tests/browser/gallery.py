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

# The name of a view's picture, the class of its frame, and the line that makes it.
VIEWS = {
    "map": (".lv-map", "LiveMap(lab)"),
    "trace": (".lv-trace", "Trace(lab)"),
    "environments": (".lv-environments", "Environments(lab)"),
    "logs": (".lv-logs", "Logs(lab)"),
    "data": (".lv-data", "DataBrowser(lab)"),
    "api-console": (".lv-api-console", "ApiConsole(lab)"),
    "websocket-console": (".lv-websocket-console", "WebSocketConsole(lab)"),
    "costs": (".lv-costs", "CostSliders()"),
    "meters": (".lv-meters", "Meters(lab, 'greet')"),
    "editor": (".lv-editor", "FunctionEditor('greet', 'greet.py')"),
    "event-form": (".lv-form", "EventForm('greet', {'a name': {'name': 'Ada'}})"),
    "upload": (".lv-upload", "UploadBox(pipeline.inbox)"),
}

# What each shows, in a sentence: the alternative text of its picture.
WORDS = {
    "map": "The account's buckets, functions and database with the arrows between them, and what has moved along them.",
    "trace": "One upload as a waterfall: object, event, cold start, run, and the same again for the second function.",
    "environments": "A lane for each execution environment: starting, busy, frozen; below it the concurrency.",
    "logs": "The lines that functions have written, with START, END and REPORT told apart, and a filter.",
    "data": "What buckets, queues, tables and the database hold.",
    "api-console": "An API's route is chosen, called, and answered; the function's event is shown beside it.",
    "websocket-console": "Several clients of a WebSocket API side by side, with their frames in order.",
    "bill": "What this lab would have cost on AWS, line by line.",
    "gauges": "A token bucket, a quota, waiting retries and the weights of an alias.",
    "costs": "A month as a function and as a server, with sliders, and where the two lines cross.",
    "meters": "Two meters on the same work: a server's, which always runs, and a function's.",
    "editor": "A function's code in an editor, with a button that deploys it.",
    "event-form": "An event is chosen or written, sent to a function, and its answer and log shown.",
    "upload": "A box that takes files to a bucket.",
}
