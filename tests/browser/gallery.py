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
deploy_function("greet", "greet.py", lab.role_arn)
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
