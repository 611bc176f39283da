"""Which actions on which resources a call of any service asks IAM for. Pure but for the look-ups that it is given.

Called by `permissions`. Services whose fields name their resources need no more than `permissions_asks`' table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, unquote

from labhelpers.cloud.lambda_service_routes import routes
from labhelpers.cloud.permissions_asks import PREFIXES, Ask, Fields, asked, listed, read_fields
from labhelpers.cloud.protocol import AwsRequest
from labhelpers.cloud.services import Service, operation_of
from labhelpers.errors import AwsError
from labhelpers.functions.names import function_arn, read_reference
from labhelpers.model import Account

Rule = Callable[[str, Fields, Account], list[Ask]]

_LAMBDA = routes()
_INVOKE = re.compile(
    r"/(?:2015-03-31|2014-11-13|2021-11-15)/functions/(?P<name>.+)/"
    r"(?P<kind>invocations|invoke-async|response-streaming-invocations)/?"
)
# Operations that everybody may call.
FREE = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})


def asks(service: Service, request: AwsRequest, account: Account) -> list[Ask]:
    """All that a call asks for, each of which must be allowed. S3 is `permissions_s3`'s."""
    if service.name == "lambda":
        return _lambda(request, account)
    if service.name in ("apigateway", "apigatewayv2"):
        # AWS: API Gateway's own API is asked for by method and path.
        path = unquote(request.path)
        return [Ask(f"apigateway:{request.method}", f"arn:aws:apigateway:{account.region}::{path}")]
    fields = read_fields(request)
    operation = operation_of(service, request.headers.get("X-Amz-Target", ""), request.query, request.body)
    if not operation:
        return _rest(service.name, request, fields, account)
    if service.name == "sqs" and request.path.count("/") > 1:
        fields = {"QueueUrl": request.path, **fields}  # Its old protocol may name the queue by the path.
    rule = _RULES.get(service.name)
    return rule(operation, fields, account) if rule else [asked(service.name, operation, fields, account)]


def passed_roles(service: str, fields: Fields) -> list[tuple[str, str]]:
    """The roles that a call hands to a service (their ARNs), which takes iam:PassRole, and that service's name."""
    found = []
    if service == "lambda" and fields.get("Role"):
        found.append((str(fields["Role"]), "lambda.amazonaws.com"))
    elif service == "events":
        targets = fields.get("Targets")
        givers = [fields, *(targets if isinstance(targets, list) else [])]
        found += [
            (str(giver["RoleArn"]), "events.amazonaws.com")
            for giver in givers
            if isinstance(giver, Mapping) and giver.get("RoleArn")
        ]
    elif service == "scheduler":
        target = fields.get("Target")
        if isinstance(target, Mapping) and target.get("RoleArn"):
            found.append((str(target["RoleArn"]), "scheduler.amazonaws.com"))
    elif service in ("apigateway", "apigatewayv2"):
        role = fields.get("credentials") or fields.get("credentialsArn")
        if isinstance(role, str) and ":role/" in role:
            found.append((role, "apigateway.amazonaws.com"))
    elif service == "logs" and fields.get("roleArn"):
        found.append((str(fields["roleArn"]), "logs.amazonaws.com"))
    return found


# --- Lambda ---


def _lambda(request: AwsRequest, account: Account) -> list[Ask]:
    if found := _INVOKE.fullmatch(request.path):
        action = "InvokeAsync" if found["kind"] == "invoke-async" else "InvokeFunction"
        return [Ask(f"lambda:{action}", _function(unquote(found["name"]), request, account))]
    route = _LAMBDA.match(request.method, request.path.removesuffix("/"))
    if route is None or not route[0].name:
        return []  # What is not there is answered as such.
    operation, names = route[0].name, route[1]
    action = {"GetLayerVersionByArn": "GetLayerVersion"}.get(operation, operation)
    ask = Ask(f"lambda:{action}")
    start = f"arn:aws:lambda:{account.region}:{account.id}:"
    if "FunctionName" in names:
        return [ask.on(_function(names["FunctionName"], request, account))]
    if "LayerName" in names:
        layer = names["LayerName"].rpartition(":layer:")[2]
        version = names.get("VersionNumber")
        return [ask.on(f"{start}layer:{layer}:{version}" if version else f"{start}layer:{layer}")]
    if "Resource" in names:
        return [ask.on(names["Resource"])]
    if "UUID" in names:
        return [ask.on(f"{start}event-source-mapping:{names['UUID']}")]
    fields = read_fields(request)
    given = fields.get("FunctionName")
    if not isinstance(given, str):
        return [ask]
    arn = _function(given, request, account)
    if operation == "CreateEventSourceMapping":
        return [Ask(ask.action, "*", {"lambda:functionarn": [arn]})]
    return [ask.on(arn)]


def _function(name: str, request: AwsRequest, account: Account) -> str:
    """The ARN of a function as a call names it, with its qualifier."""
    qualifier = parse_qs(request.query).get("Qualifier", [""])[0]
    try:
        reference = read_reference(name, qualifier, account)
    except AwsError:
        return name if name.startswith("arn:") else function_arn(account, name)
    return function_arn(account, reference.name, reference.qualifier)


# --- Services that name their resources in ways of their own ---


def _dynamodb(operation: str, fields: Fields, account: Account) -> list[Ask]:
    """Tables and indexes; batches and transactions ask for each table, a transaction by what it does there."""
    start = f"arn:aws:dynamodb:{account.region}:{account.id}:table/"
    requests = fields.get("RequestItems")
    if operation in ("BatchGetItem", "BatchWriteItem") and isinstance(requests, Mapping):
        return [Ask(f"dynamodb:{operation}", _table(start, name)) for name in requests]
    items = fields.get("TransactItems")
    if operation in ("TransactGetItems", "TransactWriteItems") and isinstance(items, list):
        found = {}
        for item in items:
            for verb, what in item.items() if isinstance(item, Mapping) else ():
                if isinstance(what, Mapping):
                    action = {
                        "Get": "GetItem",
                        "Put": "PutItem",
                        "Update": "UpdateItem",
                        "Delete": "DeleteItem",
                    }
                    ask = Ask(
                        f"dynamodb:{action.get(verb, 'ConditionCheckItem')}",
                        _table(start, str(what.get("TableName", ""))),
                    )
                    found[ask.action, ask.resource] = ask
        return list(found.values())
    if operation in ("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"):
        statements = fields.get("Statements") or fields.get("TransactStatements") or [fields]
        texts = [str(each.get("Statement", "")) for each in statements if isinstance(each, Mapping)]
        return [_partiql(text, start) for text in texts]
    if operation in ("ListTables", "ListBackups", "ListExports", "ListImports", "DescribeLimits"):
        return [Ask(f"dynamodb:{operation}", f"{start}*" if operation == "ListTables" else "*")]
    ask = asked("dynamodb", operation, fields, account)
    index = fields.get("IndexName")
    return [ask.on(f"{ask.resource}/index/{index}") if isinstance(index, str) else ask]


def _table(start: str, name: str) -> str:
    return name if name.startswith("arn:") else start + name


_PARTIQL = re.compile(
    r"\s*(?P<verb>select|insert|update|delete|exists)\b.*?(?:\b(?:from|into)\s+|^\s*update\s+)"
    r"\"?(?P<table>[\w.-]+)\"?(?:\.\"?(?P<index>[\w.-]+)\"?)?",
    re.IGNORECASE | re.DOTALL,
)


def _partiql(statement: str, start: str) -> Ask:
    if re.match(r"\s*update\b", statement, re.IGNORECASE):
        statement = re.sub(r"^\s*update\s+", "update from ", statement, flags=re.IGNORECASE)
    found = _PARTIQL.match(statement)
    if found is None:
        return Ask("dynamodb:PartiQLSelect", f"{start}*")
    resource = start + found["table"] + (f"/index/{found['index']}" if found["index"] else "")
    verb = found["verb"].capitalize()
    return Ask(f"dynamodb:PartiQL{'Select' if verb == 'Exists' else verb}", resource)


# Of log groups these are about the group itself; all others, and messages, speak of its streams.
_GROUP_ITSELF = frozenset({"TagResource", "UntagResource", "ListTagsForResource"})


def _logs(operation: str, fields: Fields, account: Account) -> list[Ask]:
    start = f"arn:aws:logs:{account.region}:{account.id}:log-group:"
    if operation in _GROUP_ITSELF:
        return [Ask(f"logs:{operation}", str(fields.get("resourceArn", "*")))]
    group = str(fields.get("logGroupName") or fields.get("logGroupIdentifier") or "")
    if group.startswith("arn:"):
        group = group.split(":", 6)[6].removesuffix(":*")
    stream = fields.get("logStreamName") if operation in ("PutLogEvents", "GetLogEvents") else ""
    return [Ask(f"logs:{operation}", f"{start}{group}:log-stream:{stream or ''}")]


def _events(operation: str, fields: Fields, account: Account) -> list[Ask]:
    start = f"arn:aws:events:{account.region}:{account.id}:"
    action = f"events:{operation}"
    if operation == "PutEvents":
        entries = fields.get("Entries")
        found = {}
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, Mapping):
                context = {
                    key: [str(entry[name])]
                    for key, name in (("events:source", "Source"), ("events:detail-type", "DetailType"))
                    if entry.get(name)
                }
                ask = Ask(action, _bus(start, str(entry.get("EventBusName") or "default")), context)
                found[ask.resource, str(context)] = ask
        return list(found.values()) or [Ask(action, _bus(start, "default"))]
    name = fields.get("Rule") or fields.get("Name")
    if "Rule" in operation or "Target" in operation:
        if not isinstance(name, str):
            return [Ask(action, f"{start}rule/*")]
        rule_bus = str(fields.get("EventBusName") or "default").rpartition("/")[2]
        path = name if rule_bus == "default" else f"{rule_bus}/{name}"
        return [Ask(action, f"{start}rule/{path}")]
    if "EventBus" in operation or operation in ("PutPermission", "RemovePermission"):
        bus = fields.get("EventBusName") if "Permission" in operation else name
        return [Ask(action, _bus(start, str(bus or "default")))]
    if "ResourceARN" in fields:
        return [Ask(action, str(fields["ResourceARN"]))]
    kind = next((k for w, k in (("Archive", "archive"), ("Connection", "connection")) if w in operation), "")
    named = fields.get("ArchiveName") or name
    return [Ask(action, f"{start}{kind}/{named}" if kind and isinstance(named, str) else "*")]


def _bus(start: str, name: str) -> str:
    return name if name.startswith("arn:") else f"{start}event-bus/{name}"


def _ssm(operation: str, fields: Fields, account: Account) -> list[Ask]:
    start = f"arn:aws:ssm:{account.region}:{account.id}:"
    names = listed(fields.get("Names")) or listed(fields.get("Name")) or listed(fields.get("Path"))
    if "ResourceId" in fields:
        names = listed(fields["ResourceId"])
    if not names:
        return [Ask(f"ssm:{operation}", f"{start}*")]
    # A selector (name:3) is no part of the parameter's ARN.
    return [
        Ask(
            f"ssm:{operation}",
            n if n.startswith("arn:") else f"{start}parameter/{n.lstrip('/').partition(':')[0]}",
        )
        for n in names
    ]


_IAM_KINDS = (
    ("RoleName", "role"),
    ("UserName", "user"),
    ("GroupName", "group"),
    ("InstanceProfileName", "instance-profile"),
    ("PolicyName", "policy"),
)


def _iam(operation: str, fields: Fields, account: Account) -> list[Ask]:
    """AWS's messages say `role NAME` where a policy says its ARN."""
    context = {
        key: [str(fields[name])]
        for key, name in (("iam:policyarn", "PolicyArn"), ("iam:permissionsboundary", "PermissionsBoundary"))
        if fields.get(name)
    }
    ask = Ask(f"iam:{operation}", "*", context)
    start = f"arn:aws:iam::{account.id}:"
    for name, kind in _IAM_KINDS:
        value = fields.get(name)
        if isinstance(value, str):
            path = str(fields.get("Path") or "/")
            shown = "" if operation.startswith("Create") else f"{kind} {value}"
            return [ask.on(f"{start}{kind}{path}{value}", shown)]
    arn = fields.get("PolicyArn") or fields.get("PolicySourceArn")
    if isinstance(arn, str):
        return [ask.on(arn, f"policy {arn}")]
    if operation in ("CreateAccessKey", "DeleteAccessKey", "ListAccessKeys", "UpdateAccessKey"):
        return [ask.on(f"{start}user/*")]
    plural = {"ListRoles": "role", "ListUsers": "user", "ListGroups": "group"}.get(operation)
    return [ask.on(f"{start}{plural}/")] if plural else [ask]


def _sts(operation: str, fields: Fields, account: Account) -> list[Ask]:
    context = {
        key: [str(fields[name])]
        for key, name in (("sts:externalid", "ExternalId"), ("sts:rolesessionname", "RoleSessionName"))
        if fields.get(name)
    }
    return [Ask(f"sts:{operation}", str(fields.get("RoleArn", "*")), context)]


def _sns(operation: str, fields: Fields, account: Account) -> list[Ask]:
    ask = asked("sns", operation, fields, account)
    context = {
        key: [str(fields[name])]
        for key, name in (("sns:protocol", "Protocol"), ("sns:endpoint", "Endpoint"))
        if fields.get(name)
    }
    return [Ask(ask.action, ask.resource, context)]


_RULES: Mapping[str, Rule] = {
    "dynamodb": _dynamodb,
    "logs": _logs,
    "events": _events,
    "ssm": _ssm,
    "iam": _iam,
    "sts": _sts,
    "sns": _sns,
}


# --- Services without an operation's name in the request ---

_SCHEDULER = re.compile(r"/(?P<kind>schedules|schedule-groups|tags)(?:/(?P<name>.+))?")
_VERBS = {"POST": "Create", "GET": "Get", "PUT": "Update", "DELETE": "Delete"}


def _rest(service: str, request: AwsRequest, fields: Fields, account: Account) -> list[Ask]:
    if service == "scheduler" and (found := _SCHEDULER.fullmatch(unquote(request.path).rstrip("/"))):
        return [_scheduler(found["kind"], found["name"] or "", request, fields, account)]
    # X-Ray's paths are its operations' names, or nearly.
    name = unquote(request.path).strip("/").rpartition("/")[2]
    prefix = PREFIXES.get(service, service)
    return [Ask(f"{prefix}:{_XRAY.get(name, name) or '*'}")]


_XRAY = {
    "TraceSegments": "PutTraceSegments",
    "TelemetryRecords": "PutTelemetryRecords",
    "Traces": "BatchGetTraces",
    "ServiceGraph": "GetServiceGraph",
    "TraceGraph": "GetTraceGraph",
    "TraceSummaries": "GetTraceSummaries",
    "TimeSeriesServiceStatistics": "GetTimeSeriesServiceStatistics",
    "SamplingTargets": "GetSamplingTargets",
    "SamplingStatisticSummaries": "GetSamplingStatisticSummaries",
    "EncryptionConfig": "GetEncryptionConfig",
    "Groups": "GetGroups",
    "Insight": "GetInsight",
    "InsightEvents": "GetInsightEvents",
    "InsightImpactGraph": "GetInsightImpactGraph",
    "InsightSummaries": "GetInsightSummaries",
}


def _scheduler(kind: str, name: str, request: AwsRequest, fields: Fields, account: Account) -> Ask:
    start = f"arn:aws:scheduler:{account.region}:{account.id}:"
    verb = _VERBS.get(request.method, "Get")
    if kind == "tags":
        verb = {"POST": "TagResource", "DELETE": "UntagResource"}.get(request.method, "ListTagsForResource")
        return Ask(f"scheduler:{verb}", name)
    noun = "Schedule" if kind == "schedules" else "ScheduleGroup"
    if not name:
        return Ask(f"scheduler:List{noun}s", "*")
    if kind == "schedule-groups":
        return Ask(f"scheduler:{verb}{noun}", f"{start}schedule-group/{name}")
    group = str(fields.get("GroupName") or parse_qs(request.query).get("groupName", ["default"])[0])
    return Ask(f"scheduler:{verb}{noun}", f"{start}schedule/{group}/{name}")
