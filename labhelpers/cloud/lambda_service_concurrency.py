"""Operations on concurrency: what functions reserve, what they have provisioned, what the account has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from labhelpers import limits
from labhelpers.cloud import lambda_service_requests as shapes
from labhelpers.cloud.lambda_service_answers import answer, page
from labhelpers.cloud.lambda_service_control import Call, ControlPlane
from labhelpers.cloud.lambda_service_tags import whole_function
from labhelpers.cloud.protocol import AwsResponse
from labhelpers.functions import provisioned_settings
from labhelpers.functions.provisioned import IN_PROGRESS, Progress
from labhelpers.functions.provisioned_settings import Provisioned


def put_function_concurrency(lab: ControlPlane, call: Call) -> AwsResponse:
    """PutFunctionConcurrency."""
    members = call.read(shapes.PUT_CONCURRENCY)
    reserved = members["ReservedConcurrentExecutions"]
    lab.registry.set_reserved_concurrency(whole_function(lab, members), reserved)
    return answer({"ReservedConcurrentExecutions": reserved})


def get_function_concurrency(lab: ControlPlane, call: Call) -> AwsResponse:
    """GetFunctionConcurrency: empty when nothing is reserved."""
    function = lab.registry.get(whole_function(lab, call.read(shapes.ONE_FUNCTION)))
    reserved = function.reserved_concurrency
    return answer({} if reserved is None else {"ReservedConcurrentExecutions": reserved})


def delete_function_concurrency(lab: ControlPlane, call: Call) -> AwsResponse:
    """DeleteFunctionConcurrency."""
    lab.registry.set_reserved_concurrency(whole_function(lab, call.read(shapes.ONE_FUNCTION)), None)
    return answer(status=204)


def put_provisioned_concurrency_config(lab: ControlPlane, call: Call) -> AwsResponse:
    """PutProvisionedConcurrencyConfig: 202, for the environments have yet to be started."""
    members = call.read(shapes.PUT_PROVISIONED_CONCURRENCY)
    kept = provisioned_settings.put(
        lab.registry, lab.reference(members), members["ProvisionedConcurrentExecutions"]
    )
    return answer(_provisioned(kept, Progress(0, IN_PROGRESS)), 202)


def get_provisioned_concurrency_config(lab: ControlPlane, call: Call) -> AwsResponse:
    """GetProvisionedConcurrencyConfig; with List=ALL it is ListProvisionedConcurrencyConfigs, by version and alias."""
    if "List=ALL" in call.request.query.split("&"):
        return _list(lab, call)
    reference = lab.reference(call.read(shapes.PROVISIONED_CONCURRENCY))
    kept = provisioned_settings.get(lab.registry, reference)
    function = lab.registry.get(reference.name)
    return answer(_provisioned(kept, lab.progress(function, reference.qualifier)))


def _list(lab: ControlPlane, call: Call) -> AwsResponse:
    members = call.read(shapes.LIST_PROVISIONED_CONCURRENCY)
    function = lab.registry.get(lab.reference(members).name)

    def show(qualifier: str) -> dict[str, Any]:
        arn = lab.registry.arn(function.name, qualifier)
        progress = lab.progress(function, qualifier)
        return {"FunctionArn": arn, **_provisioned(function.provisioned[qualifier], progress)}

    shown, more = page(
        sorted(function.provisioned), str, show, members.get("Marker"), members.get("MaxItems")
    )
    return answer({"ProvisionedConcurrencyConfigs": shown, **more})


def delete_provisioned_concurrency_config(lab: ControlPlane, call: Call) -> AwsResponse:
    """DeleteProvisionedConcurrencyConfig."""
    provisioned_settings.delete(lab.registry, lab.reference(call.read(shapes.PROVISIONED_CONCURRENCY)))
    return answer(status=204)


def _provisioned(kept: Provisioned, progress: Progress) -> dict[str, Any]:
    return {
        "RequestedProvisionedConcurrentExecutions": kept.requested,
        "AvailableProvisionedConcurrentExecutions": progress.available,
        "AllocatedProvisionedConcurrentExecutions": progress.available,
        "Status": progress.status,
        **({"StatusReason": progress.reason} if progress.reason else {}),
        "LastModified": datetime.fromtimestamp(kept.modified, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000"),
    }


def get_account_settings(lab: ControlPlane, call: Call) -> AwsResponse:
    """GetAccountSettings: the quotas, and what is used of them."""
    registry = lab.registry
    return answer(
        {
            "AccountLimit": {
                "TotalCodeSize": limits.CODE_STORAGE_BYTES_MAX,
                "CodeSizeUnzipped": limits.UNZIPPED_BYTES_MAX,
                "CodeSizeZipped": limits.ZIPPED_BYTES_MAX,
                "ConcurrentExecutions": registry.concurrency,
                "UnreservedConcurrentExecutions": registry.concurrency - registry.total_reserved(),
            },
            "AccountUsage": {
                "TotalCodeSize": registry.code_bytes(),
                "FunctionCount": len(registry.functions()),
            },
        }
    )
