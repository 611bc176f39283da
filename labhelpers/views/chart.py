"""Charts that JupyterLab draws by itself: it has Vega-Lite 5 built in, while Altair would load a newer one from the
web. A notebook makes a chart with Altair and shows it by `draw_chart`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labhelpers.errors import LabError

if TYPE_CHECKING:
    import altair

VEGA_LITE = "application/vnd.vegalite.v5+json"
SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"


@dataclass(frozen=True, slots=True)
class DrawnChart:
    """A chart that shows itself; `description` is its text form, which screen readers and terminals get."""

    spec: Mapping[str, Any]
    description: str

    def __repr__(self) -> str:
        return self.description

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, Any]:
        return {VEGA_LITE: dict(self.spec), "text/plain": self.description}


def draw_chart(chart: altair.TopLevelMixin, description: str) -> DrawnChart:
    """Show an Altair chart without the internet. `description` says in words what it shows; LabError if it is empty."""
    if not description.strip():
        raise LabError("a chart needs a description: one or two sentences for those who can't see it")
    spec = chart.to_dict()
    return DrawnChart({**spec, "$schema": SCHEMA, "description": description}, description)
