"""A form that calls a function: choose a sample event or write one, and see status, payload, error and log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import traitlets
from botocore.config import Config

from labhelpers.errors import LabError
from labhelpers.views.aws import client
from labhelpers.views.invocation import Invocation, read_invocation, shown_payload
from labhelpers.views.view import View, script, style

# A function may take 15 minutes, and a second try would run it twice.
_PATIENT = Config(read_timeout=910, retries={"total_max_attempts": 1})


class EventForm(View):
    """A form for `function_name` with sample `events` (name to event). A notebook may also call `invoke`."""

    _esm = script("event_form")
    _css = style("event_form")

    function_name = traitlets.Unicode().tag(sync=True)
    samples: traitlets.Dict[str, str] = traitlets.Dict().tag(sync=True)
    text = traitlets.Unicode("{}").tag(sync=True)
    result: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)

    def __init__(self, function_name: str, events: Mapping[str, Any] | None = None) -> None:
        if not isinstance(events or {}, Mapping):
            raise LabError(
                "events takes a dictionary, a name for each sample event, such as "
                f'{{"first": {{"name": "Ada"}}}}, not a {type(events).__name__}'
            )
        samples = {name: _sample(name, event) for name, event in (events or {}).items()}
        super().__init__(
            function_name=function_name, samples=samples, text=next(iter(samples.values()), "{}")
        )
        self.last: Invocation | None = None
        self.on_msg(self._on_message)

    def invoke(self, event: Any = None) -> Invocation:
        """Call the function as the button does: with a sample by its name, with another event, or with what is written.

        A function's own error is in the result; LabError for text that is no JSON, botocore's ClientError for what
        AWS refuses: both are shown, too. https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
        """
        self.result = {}
        if event is not None:
            named = isinstance(event, str) and event in self.samples
            self.text = self.samples[event] if named else _laid_out(event)
        with self.working("Not sent"):
            payload = _checked(self.text)
        with self.working("The call failed"):
            with client("lambda", config=_PATIENT) as functions:
                answer = functions.invoke(FunctionName=self.function_name, LogType="Tail", Payload=payload)
                self.last = read_invocation(answer, answer["Payload"].read())
            self.result = _for_page(self.last)
        return self.last

    def to_text(self) -> str:
        """The function, the event, and the answer if there is one."""
        lines = [f"Event for the function {self.function_name}:", self.text]
        if self.last is not None:
            lines += ["Answer:", self.last.to_text()]
        return "\n".join(lines)

    def _on_message(self, _: Any, content: dict[str, Any], __: list[memoryview]) -> None:
        if content["type"] == "invoke" and not self.busy:
            self.in_background(self.invoke)


def _laid_out(event: Any) -> str:
    return json.dumps(event, indent=2, ensure_ascii=False)


def _sample(name: str, event: Any) -> str:
    try:
        return _laid_out(event)
    except (TypeError, ValueError) as error:
        raise LabError(
            f"the sample event {name!r} is no JSON ({error}); use dictionaries, lists, texts and numbers"
        ) from None


def _checked(text: str) -> bytes:
    """The event as bytes. LabError when it is no JSON, with the place."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise LabError(
            f"this is not valid JSON (line {error.lineno}, column {error.colno}); `{{}}` is an empty event."
        ) from None
    return text.encode()


def _for_page(made: Invocation) -> dict[str, Any]:
    found = asdict(made)
    found["payload"] = shown_payload(made.payload)
    found["headline"] = made.headline()
    found["figures"] = made.figures
    return found
