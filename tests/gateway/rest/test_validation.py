"""Request validators and models: pure checks, and requests end to end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.gateway.rest.schemas import MODEL_URL, make_checks, problems
from tests.gateway.rest.gateway import RestApi, RestGateway, message

PET = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
}


def check(schemas: dict[str, Any], name: str, document: Any) -> str | None:
    """What a model says of a document."""
    models = {each: {"schema": json.dumps(schema)} for each, schema in schemas.items()}
    return make_checks("abc", models)(name)(document)


@pytest.mark.parametrize(
    ("document", "wrong"),
    [
        ({"name": "Rex"}, None),
        ({}, '[object has missing required properties (["name"])]'),
        ([], '[instance type (array) does not match any allowed primitive type (allowed: ["object"])]'),
        (
            {"name": 1},
            '[instance type (integer) does not match any allowed primitive type (allowed: ["string"])]',
        ),
        ({"name": "Rex", "age": -1}, "[-1 is less than the minimum of 0]"),
    ],
)
def test_document_is_checked_by_a_model(document: Any, wrong: str | None) -> None:
    """The words are API Gateway's for missing properties and types."""
    assert check({"Pet": PET}, "Pet", document) == wrong


def test_models_refer_to_each_other_by_url() -> None:
    """Also in circles; a reference to nothing refuses all that reach it."""
    url = {"$ref": MODEL_URL.format(api_id="abc", name="Pet")}
    schemas = {
        "Pet": {**PET, "properties": {**PET["properties"], "friends": {"type": "array", "items": url}}},  # type: ignore[dict-item]
        "Pets": {"type": "array", "items": url},
        "Lost": {"type": "array", "items": {"$ref": MODEL_URL.format(api_id="abc", name="Nothing")}},
    }
    assert check(schemas, "Pets", [{"name": "a", "friends": [{"name": "b"}]}]) is None
    assert "missing required" in str(check(schemas, "Pets", [{"name": "a", "friends": [{}]}]))
    assert check(schemas, "Lost", []) is None
    assert check(schemas, "Lost", [1]) is not None


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (PET, ""),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "title": "x"}, ""),
        ({"type": "nonsense"}, "Invalid model schema specified"),
        ({"properties": {"a": {"required": []}}}, "Invalid model schema specified"),
        ({"properties": {"a": {"pattern": "("}}}, "Invalid model schema specified"),
        ({"properties": {"a": {"example": 1}}}, 'Unsupported keyword(s): ["example"]'),
        ({"items": {"$ref": "https://elsewhere/x"}}, "Model reference must be in canonical form"),
    ],
)
def test_schema_of_a_model_is_draft_4(schema: Any, problem: str) -> None:
    """What CreateModel refuses."""
    assert problem in "".join(problems(schema)) and bool(problem) is bool(problems(schema))


JSON: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.text(max_size=3)
    | st.sampled_from(["string", "object", "#"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "type properties items required enum $ref minimum pattern not allOf definitions a".split()
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, JSON)
def test_any_schema_is_refused_or_checks_any_document(schema: Any, document: Any) -> None:
    """Nothing else comes of it, whatever the schema."""
    if isinstance(schema, dict) and not problems(schema):
        found = check({"M": schema}, "M", document)
        assert found is None or found.startswith("[")


# --- End to end ---


@pytest.fixture
def api(gateway: RestGateway) -> RestApi:
    """An API with model Pet and `POST /pets/{id}`, which needs parameters of all kinds; not deployed yet."""
    made = gateway.rest_api()
    made.client.create_model(
        restApiId=made.id, name="Pet", contentType="application/json", schema=json.dumps(PET)
    )
    made.mock(
        "/pets/{id}",
        "POST",
        method_settings={
            "requestParameters": {
                "method.request.querystring.q": True,
                "method.request.header.X-Needed": True,
                "method.request.path.id": True,
                "method.request.querystring.free": False,
            },
            "requestModels": {"application/json": "Pet"},
        },
    )
    return made


def validate(api: RestApi, *, body: bool = False, parameters: bool = False) -> None:
    """Give the method a validator, and deploy."""
    made = api.client.create_request_validator(
        restApiId=api.id, name="v", validateRequestBody=body, validateRequestParameters=parameters
    )
    api.client.update_method(
        **api.place("/pets/{id}", "POST"),
        patchOperations=[{"op": "replace", "path": "/requestValidatorId", "value": made["id"]}],
    )
    api.deploy()


def test_without_validator_nothing_is_checked(api: RestApi) -> None:
    """Required parameters and models alone do nothing."""
    api.deploy()
    assert api.ask("/pets/1", "POST", body=b"no JSON").status == 200


def test_required_parameters_must_be_there_and_not_blank(api: RestApi) -> None:
    """All that are missing are named: headers first."""
    validate(api, parameters=True)
    good = {"X-Needed": "1"}
    assert api.ask("/pets/1?q=1", "POST", good).status == 200
    missing = "Missing required request parameters: "
    assert message(api.ask("/pets/1", "POST")) == (400, f"{missing}[X-Needed, q]")
    assert message(api.ask("/pets/1?q=", "POST", good)) == (400, f"{missing}[q]")
    assert message(api.ask("/pets/1?q=1", "POST", {"x-needed": " "})) == (400, f"{missing}[X-Needed]")


def test_body_must_fit_its_model(api: RestApi) -> None:
    """400 in AWS's words; the reason is in the execution log."""
    validate(api, body=True)
    api.set_stage(ALL__logging__loglevel="ERROR")
    assert api.ask("/pets/1", "POST", body=b'{"name": "Rex"}').status == 200
    for body in (b"", b"{}", b"no JSON", b'{"name": 1}', b"[" * 5000):
        answer = api.ask("/pets/1", "POST", body=body)
        assert message(answer) == (400, "Invalid request body"), body
        assert answer.headers["x-amzn-errortype"] == "BadRequestException"
    assert 'missing required properties (["name"])' in api.log("missing required properties")


def test_content_type_without_a_model_is_not_checked(api: RestApi) -> None:
    """AWS looks for the model of the request's content type; JSON is the default."""
    validate(api, body=True)
    passed = api.ask("/pets/1", "POST", {"Content-Type": "text/plain"}, b'{"statusCode": 200}')
    assert passed.status == 200
    answer = api.ask("/pets/1", "POST", {"Content-Type": "application/json; charset=utf-8"}, b"text")
    assert message(answer) == (400, "Invalid request body")


def test_what_is_in_use_cannot_be_deleted(api: RestApi) -> None:
    """Neither the model nor the validator."""
    validate(api, body=True)
    with pytest.raises(ClientError, match="Cannot delete model 'Pet', is referenced in method request"):
        api.client.delete_model(restApiId=api.id, modelName="Pet")
    validator = api.client.get_request_validators(restApiId=api.id)["items"][0]["id"]
    with pytest.raises(ClientError, match="Cannot delete request validator"):
        api.client.delete_request_validator(restApiId=api.id, requestValidatorId=validator)


def test_bad_schema_is_refused(api: RestApi) -> None:
    """By CreateModel and UpdateModel."""
    with pytest.raises(ClientError, match="Invalid model schema specified"):
        api.client.create_model(
            restApiId=api.id, name="Bad", contentType="application/json", schema='{"type": 1}'
        )
    with pytest.raises(ClientError, match="Invalid model specified"):
        api.client.update_model(
            restApiId=api.id,
            modelName="Pet",
            patchOperations=[{"op": "replace", "path": "/schema", "value": "{"}],
        )
