"""The requests of Lambda's control plane: which members they have and what AWS's service model demands of each.

Read by the operations, which check a request against its shape before they look at it. The figures that the model
gives for Managed Instances (memory, timeout, /tmp) are those of ordinary functions here.
"""

from __future__ import annotations

from labhelpers import limits
from labhelpers.functions.constraints import Choice, Constraint, Flag, ListOf, MapOf, Number, Structure, Text
from labhelpers.functions.layers import LAYER_NAME, LAYER_VERSION_ARN
from labhelpers.functions.names import ALIAS_NAME, FUNCTION_NAME, NAMESPACED_NAME, QUALIFIER, REGION
from labhelpers.functions.runtime_ids import ACCEPTED, DEPRECATED

_REGION = f"({REGION})"
_TAG = r"([\w\s_.:/=+\-@]*)"
_JAVA_TAG = r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)"
_ANY_ARN = r"(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()"

TEXT = Text()
ARCHITECTURE = Choice(("x86_64", "arm64"))
ARN = Text(0, 10_000, rf"arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:{_REGION}?:(\d{{12}})?:(.*)")
DESCRIPTION = Text(0, 256)
DESTINATION_ARN = Text(
    0,
    350,
    r"$|kafka://([^.]([a-zA-Z0-9\-_.]{0,248}))"
    rf"|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:{_REGION}?:(\d{{12}})?:(.*)",
)
RESOURCE_ARN = Text(0, 10_000, _ANY_ARN)
REVISION = TEXT
S3_BUCKET = Text(3, 63, r"[0-9A-Za-z\.\-_]*(?<!\.)")
S3_KEY = Text(1, 1024, r".*")
STATEMENT_ID = Text(1, 100, r"([a-zA-Z0-9-_]+)")
TAGS = MapOf(Text(1, 128, _TAG, java=_JAVA_TAG), Text(0, 256, _TAG, java=_JAVA_TAG))
TAGGABLE = Text(
    1,
    10_000,
    rf"arn:(aws[a-zA-Z-]*):lambda:{REGION}:\d{{12}}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?"
    r"|code-signing-config:csc-[a-z0-9]{17}"
    r"|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    r"|(capacity-provider|network-connector):[a-zA-Z0-9-_]{1,64})",
)
VERSION = Text(1, 1024, r"(\$LATEST(\.PUBLISHED)?|[0-9]+)")
RUNTIMES = Choice(ACCEPTED)
KNOWN_RUNTIMES = Choice(ACCEPTED + DEPRECATED)
PAGE: dict[str, Constraint] = {"Marker": TEXT, "MaxItems": Number(1, 10_000)}
SHORT_PAGE: dict[str, Constraint] = {"Marker": TEXT, "MaxItems": Number(1, 50)}

_CODE: dict[str, Constraint] = {
    "ZipFile": TEXT,
    "S3Bucket": S3_BUCKET,
    "S3Key": S3_KEY,
    "S3ObjectVersion": Text(1, 1024, r".*"),
    "S3ObjectStorageMode": Choice(("COPY", "REFERENCE")),
    "ImageUri": TEXT,
}
_SETTINGS: dict[str, Constraint] = {
    "Role": Text(0, 10_000, r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"),
    "Handler": Text(0, 128, r"[^\s]+"),
    "Description": DESCRIPTION,
    "Timeout": Number(1, limits.TIMEOUT_S_MAX),
    "MemorySize": Number(limits.MEMORY_MB_MIN, limits.MEMORY_MB_MAX),
    "VpcConfig": Structure(
        {
            "SubnetIds": ListOf(Text(0, 1024, r"subnet-[0-9a-z]*"), 0, 16),
            "SecurityGroupIds": ListOf(Text(0, 1024, r"sg-[0-9a-zA-Z]*"), 0, 5),
            "Ipv6AllowedForDualStack": Flag(),
        }
    ),
    "Environment": Structure(
        {"Variables": MapOf(Text(None, None, r"[a-zA-Z]([a-zA-Z0-9_])+"), TEXT, secret=True)}
    ),
    "Runtime": TEXT,
    "DeadLetterConfig": Structure({"TargetArn": RESOURCE_ARN}),
    "KMSKeyArn": RESOURCE_ARN,
    "TracingConfig": Structure({"Mode": Choice(("Active", "PassThrough"))}),
    "Layers": ListOf(LAYER_VERSION_ARN),
    "EphemeralStorage": Structure(
        {"Size": Number(limits.EPHEMERAL_STORAGE_MB_MIN, limits.EPHEMERAL_STORAGE_MB_MAX)}, required=("Size",)
    ),
    "SnapStart": Structure({"ApplyOn": Choice(("PublishedVersions", "None"))}),
    "LoggingConfig": Structure(
        {
            "LogFormat": Choice(("JSON", "Text")),
            "ApplicationLogLevel": Choice(("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")),
            "SystemLogLevel": Choice(("DEBUG", "INFO", "WARN")),
            "LogGroup": Text(1, 512, r"[\.\-_/#A-Za-z0-9]+"),
        }
    ),
}
_WEIGHTS = MapOf(Text(1, 1024, r"[0-9]+"), Number(0.0, 1.0, fraction=True), decimal=True)
_ROUTING = Structure({"AdditionalVersionWeights": _WEIGHTS})
_DESTINATION = Structure({"Destination": DESTINATION_ARN})
_FUNCTION: dict[str, Constraint] = {"FunctionName": FUNCTION_NAME}
_QUALIFIED: dict[str, Constraint] = {"Qualifier": QUALIFIER, "FunctionName": NAMESPACED_NAME}
_LAYER_VERSION: dict[str, Constraint] = {"LayerName": LAYER_NAME, "VersionNumber": Number()}
_EVENT_INVOKE: dict[str, Constraint] = {
    **_QUALIFIED,
    "MaximumRetryAttempts": Number(0, limits.EVENT_RETRIES_MAX),
    "MaximumEventAgeInSeconds": Number(limits.EVENT_AGE_S_MIN, limits.EVENT_AGE_S_MAX),
    "DestinationConfig": Structure({"OnSuccess": _DESTINATION, "OnFailure": _DESTINATION}),
}

CREATE_FUNCTION = Structure(
    {
        **_FUNCTION,
        **_SETTINGS,
        "Code": Structure(_CODE),
        "Publish": Flag(),
        "PackageType": Choice(("Zip", "Image")),
        "Tags": TAGS,
        "Architectures": ListOf(ARCHITECTURE, 1, 1),
    },
    required=("FunctionName", "Role", "Code"),
)
UPDATE_FUNCTION_CODE = Structure(
    {
        **_FUNCTION,
        **_CODE,
        "Architectures": ListOf(ARCHITECTURE, 1, 1),
        "Publish": Flag(),
        "DryRun": Flag(),
        "RevisionId": REVISION,
    }
)
UPDATE_FUNCTION_CONFIGURATION = Structure({**_FUNCTION, **_SETTINGS, "RevisionId": REVISION})
QUALIFIED_FUNCTION = Structure(_QUALIFIED)
ONE_FUNCTION = Structure(_FUNCTION)
NAMESPACED_FUNCTION = Structure({"FunctionName": NAMESPACED_NAME})
LIST_FUNCTIONS = Structure({"MasterRegion": Text(1, 50), "FunctionVersion": Choice(("ALL",)), **PAGE})
LIST_OF_FUNCTION = Structure({"FunctionName": NAMESPACED_NAME, **PAGE})
PUBLISH_VERSION = Structure(
    {**_FUNCTION, "CodeSha256": TEXT, "Description": DESCRIPTION, "RevisionId": REVISION, "PublishTo": TEXT}
)
CREATE_ALIAS = Structure(
    {
        **_FUNCTION,
        "Name": ALIAS_NAME,
        "FunctionVersion": VERSION,
        "Description": DESCRIPTION,
        "RoutingConfig": _ROUTING,
    },
    required=("Name", "FunctionVersion"),
)
UPDATE_ALIAS = Structure({**CREATE_ALIAS.members, "RevisionId": REVISION})
ONE_ALIAS = Structure({**_FUNCTION, "Name": ALIAS_NAME})
LIST_ALIASES = Structure({**_FUNCTION, "FunctionVersion": VERSION, **PAGE})
ADD_PERMISSION = Structure(
    {
        **_QUALIFIED,
        "StatementId": STATEMENT_ID,
        "Action": Text(0, 10_000, r"(lambda:[*]|lambda:[a-zA-Z]+|[*])"),
        "Principal": Text(0, 2048, r"[^\s]+"),
        "SourceArn": ARN,
        "SourceAccount": Text(0, 12, r"\d{12}"),
        "EventSourceToken": Text(0, 256, r"[a-zA-Z0-9._\-]+"),
        "FunctionUrlAuthType": Choice(("NONE", "AWS_IAM")),
        "InvokedViaFunctionUrl": Flag(),
        "PrincipalOrgID": Text(12, 34, r"o-[a-z0-9]{10,32}"),
        "RevisionId": REVISION,
    },
    required=("StatementId", "Action", "Principal"),
)
REMOVE_PERMISSION = Structure(
    {**_QUALIFIED, "StatementId": Text(1, 100, r"([a-zA-Z0-9-_.]+)"), "RevisionId": REVISION}
)
PUT_RECURSION = Structure({**_FUNCTION, "RecursiveLoop": Choice(("Allow", "Terminate"))}, ("RecursiveLoop",))
PUT_CONCURRENCY = Structure(
    {**_FUNCTION, "ReservedConcurrentExecutions": Number(0)}, required=("ReservedConcurrentExecutions",)
)
PROVISIONED_CONCURRENCY = Structure(
    {"Qualifier": Text(1, 128, r"(|[a-zA-Z0-9$_-]+)"), "FunctionName": FUNCTION_NAME}, required=("Qualifier",)
)
PUT_PROVISIONED_CONCURRENCY = Structure(
    {**PROVISIONED_CONCURRENCY.members, "ProvisionedConcurrentExecutions": Number(1)},
    required=("Qualifier", "ProvisionedConcurrentExecutions"),
)
LIST_PROVISIONED_CONCURRENCY = Structure({**_FUNCTION, **SHORT_PAGE})
EVENT_INVOKE_CONFIG = Structure(_EVENT_INVOKE)
LIST_EVENT_INVOKE_CONFIGS = Structure({"FunctionName": NAMESPACED_NAME, **SHORT_PAGE})
PUBLISH_LAYER = Structure(
    {
        "LayerName": LAYER_NAME,
        "Description": DESCRIPTION,
        "Content": Structure({name: _CODE[name] for name in _CODE if name != "ImageUri"}),
        "CompatibleRuntimes": ListOf(KNOWN_RUNTIMES, 0, 15, shown=RUNTIMES),
        "CompatibleArchitectures": ListOf(ARCHITECTURE, 0, 2),
        "LicenseInfo": Text(0, 512, r".*"),
    },
    required=("Content",),
)
LAYER_VERSION = Structure(_LAYER_VERSION)
LAYER_BY_ARN = Structure({"Arn": LAYER_VERSION_ARN}, required=("Arn",))
LIST_LAYERS = Structure(
    {"CompatibleRuntime": KNOWN_RUNTIMES, "CompatibleArchitecture": ARCHITECTURE, **SHORT_PAGE}
)
LIST_LAYER_VERSIONS = Structure({"LayerName": LAYER_NAME, **LIST_LAYERS.members})
ADD_LAYER_PERMISSION = Structure(
    {
        **_LAYER_VERSION,
        "StatementId": STATEMENT_ID,
        "Action": Text(0, 22, r"lambda:GetLayerVersion"),
        "Principal": Text(0, 10_000, r"\d{12}|\*|arn:(aws[a-zA-Z-]*):iam::\d{12}:root"),
        "OrganizationId": Text(0, 34, r"o-[a-z0-9]{10,32}"),
        "RevisionId": REVISION,
    },
    required=("StatementId", "Action", "Principal"),
)
REMOVE_LAYER_PERMISSION = Structure({**_LAYER_VERSION, "StatementId": STATEMENT_ID, "RevisionId": REVISION})
TAG_RESOURCE = Structure({"Resource": TAGGABLE, "Tags": TAGS}, required=("Tags",))
UNTAG_RESOURCE = Structure(
    {"Resource": TAGGABLE, "TagKeys": ListOf(Text(1, 128, _TAG, java=_JAVA_TAG))}, required=("TagKeys",)
)
LIST_TAGS = Structure({"Resource": TAGGABLE})
_MAPPING: dict[str, Constraint] = {
    "FunctionName": NAMESPACED_NAME,
    "Enabled": Flag(),
    "BatchSize": Number(1, 10_000),
    "FilterCriteria": Structure({"Filters": ListOf(Structure({"Pattern": Text(0, 4_096, r"[\s\S]*")}))}),
    "KMSKeyArn": RESOURCE_ARN,
    "ScalingConfig": Structure({"MaximumConcurrency": Number(2, 1_000)}),
    "MaximumBatchingWindowInSeconds": Number(0, 300),
    "ParallelizationFactor": Number(1, 10),
    "DestinationConfig": Structure({"OnSuccess": _DESTINATION, "OnFailure": _DESTINATION}),
    "MaximumRecordAgeInSeconds": Number(-1, 604_800),
    "BisectBatchOnFunctionError": Flag(),
    "MaximumRetryAttempts": Number(-1, 10_000),
    "TumblingWindowInSeconds": Number(0, 900),
    "FunctionResponseTypes": ListOf(Choice(("ReportBatchItemFailures",)), 0, 1),
}
_MAPPING_ID: dict[str, Constraint] = {"UUID": Text(36, 36)}
CREATE_EVENT_SOURCE_MAPPING = Structure(
    {
        "EventSourceArn": ARN,
        **_MAPPING,
        "StartingPosition": Choice(("LATEST", "AT_TIMESTAMP", "TRIM_HORIZON")),
        "StartingPositionTimestamp": Number(fraction=True),
        "Tags": TAGS,
    },
    required=("FunctionName",),
)
UPDATE_EVENT_SOURCE_MAPPING = Structure({**_MAPPING_ID, **_MAPPING})
ONE_EVENT_SOURCE_MAPPING = Structure(_MAPPING_ID)
LIST_EVENT_SOURCE_MAPPINGS = Structure({"EventSourceArn": ARN, "FunctionName": NAMESPACED_NAME, **PAGE})
INVOCATION_TYPE = Choice(("Event", "RequestResponse", "DryRun"))
LOG_TYPE = Choice(("None", "Tail"))
