"""AWS's limits, as numbers in one place. Each group names the page that states it and when it was read.

"recorded" means: the figure stands in an answer of AWS itself (a refusal that names its limit).
"""

from __future__ import annotations

# Lambda: docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, read November 2026. The 90 minutes and 32 GB
# of the service model are for Managed Instances only, which this lab does not emulate.
TIMEOUT_S_DEFAULT = 3
TIMEOUT_S_MAX = 900
MEMORY_MB_DEFAULT = 128
MEMORY_MB_MIN, MEMORY_MB_MAX = 128, 10_240
MEMORY_MB_PER_CORE = 1_769
EPHEMERAL_STORAGE_MB_MIN, EPHEMERAL_STORAGE_MB_MAX = 512, 10_240
ENVIRONMENT_BYTES_MAX = 4_096
LAYERS_MAX = 5
PROCESSES_MAX = 1_024
FILE_DESCRIPTORS_MAX = 1_024
RESOURCE_POLICY_BYTES_MAX = 20_480
ALIAS_WEIGHTED_VERSIONS_MAX = 1  # Beside the alias's own version: dg/configuration-aliases.html.

# Lambda, deployment packages: the same page; the request size recorded November 2025 (CreateFunction refused).
ZIPPED_BYTES_MAX = 52_428_800
UNZIPPED_BYTES_MAX = 262_144_000  # Of the function and its layers together.
PACKAGE_REQUEST_BYTES_MAX = 70_167_211
CODE_STORAGE_BYTES_MAX = 80_530_636_800  # 75 GiB an account and region: API_AccountLimit.html.

# Lambda, payloads: the same page; asynchronous 1 MB since October 2025, recorded since.
SYNC_PAYLOAD_BYTES_MAX = 6_291_456
SYNC_RESPONSE_BYTES_MAX = 6_291_556  # The refusal of a reply names this figure: recorded.
ASYNC_PAYLOAD_BYTES_MAX = 1_048_576
CLIENT_CONTEXT_BYTES_MAX = 3_583  # Base64 text: API_Invoke.html.
LOG_TAIL_BYTES = 4_096  # LogType=Tail: API_Invoke.html.

# Lambda, concurrency: dg/lambda-concurrency.html, read November 2026.
CONCURRENT_EXECUTIONS = 1_000
UNRESERVED_CONCURRENCY_MIN = 100  # All of it in an account that has less: recorded, "minimum value of [50]".
REQUESTS_PER_CONCURRENCY_S = 10
SCALING_ENVIRONMENTS, SCALING_PERIOD_S = 1_000, 10.0  # Of each function.
PROVISIONED_INIT_S_MIN = (
    130  # Or the function's timeout, if that is longer: dg/lambda-runtime-environment.html.
)

# Lambda, asynchronous invocation: dg/invocation-async-error-handling.html, read November 2026.
EVENT_AGE_S_MIN, EVENT_AGE_S_MAX = 60, 21_600
EVENT_RETRIES_MAX = 2

# Lambda, event source mappings: API_CreateEventSourceMapping.html, API_ListEventSourceMappings.html and
# dg/invocation-eventfiltering.html, dg/services-sqs-scaling.html, read November 2026.
MAPPINGS_PAGE_MAX = 100
EVENT_FILTERS_MAX = 5
RECORD_AGE_S_MIN = 60
SQS_POLLS_AT_FIRST = 5
SQS_POLLS_MAX = 1_250
SQS_POLLS_MORE_PER_S = 5  # 300 a minute.

# Lambda, phases: dg/lambda-runtime-environment.html, read November 2026.
INIT_S_MAX = 10

# Tags of one resource: docs.aws.amazon.com/tag-editor/latest/userguide/reference.html.
TAGS_MAX = 50

# Lists answer at most so many items a page, whatever the caller asks: API_ListFunctions.html.
PAGE_ITEMS_MAX = 50

# API Gateway: docs.aws.amazon.com/apigateway/latest/developerguide/limits.html, read November 2026.
GATEWAY_PAYLOAD_BYTES_MAX = 10_485_760
GATEWAY_HEADERS_BYTES_MAX = 10_240  # HTTP APIs: request line and header values together; REST APIs the same.
GATEWAY_ACCOUNT_RATE, GATEWAY_ACCOUNT_BURST = 10_000.0, 5_000
HTTP_API_TIMEOUT_MS_MIN, HTTP_API_TIMEOUT_MS_MAX = 50, 30_000
HTTP_API_ROUTES_MAX = HTTP_API_INTEGRATIONS_MAX = 300
AUTHORIZER_TTL_S_DEFAULT, AUTHORIZER_TTL_S_MAX = 300, 3_600
AUTHORIZER_TIMEOUT_S = 10.0

# WebSocket APIs: the same page. Messages count 32 KB frames; @connections takes the same 128 KB.
WEBSOCKET_FRAME_BYTES_MAX = 32 * 1024
WEBSOCKET_MESSAGE_BYTES_MAX = 128 * 1024
WEBSOCKET_IDLE_S_MAX = 600.0
WEBSOCKET_CONNECTION_S_MAX = 7_200.0
WEBSOCKET_NEW_CONNECTIONS_RATE = 500.0
WEBSOCKET_TIMEOUT_MS_MIN, WEBSOCKET_TIMEOUT_MS_MAX = 50, 29_000

# REST APIs: the same page; timeouts of regional APIs may be raised on AWS, not here.
REST_API_TIMEOUT_MS_MIN, REST_API_TIMEOUT_MS_MAX = 50, 29_000
REST_API_RESOURCES_MAX = 300
