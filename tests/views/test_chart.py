"""Charts are drawn by what JupyterLab has on board, and can be read as text."""

import altair as alt
import pandas as pd
import pytest

from labhelpers.errors import LabError
from labhelpers.views.chart import SCHEMA, VEGA_LITE, draw_chart


def a_chart() -> alt.Chart:
    """A line of two points."""
    data = pd.DataFrame({"calls": [0, 1], "dollars": [0.0, 2.5]})
    return alt.Chart(data).mark_line().encode(x="calls:Q", y="dollars:Q")


def test_chart_is_what_jupyterlab_draws() -> None:
    """The bundle holds a Vega-Lite 5 spec with the data and the description inside, and nothing to fetch."""
    bundle = draw_chart(a_chart(), "It climbs.")._repr_mimebundle_()
    spec = bundle[VEGA_LITE]
    assert spec["$schema"] == SCHEMA
    assert spec["description"] == "It climbs."
    assert [{"calls": 0, "dollars": 0.0}, {"calls": 1, "dollars": 2.5}] in spec["datasets"].values()
    assert "url" not in spec["data"]


def test_chart_has_a_text_form() -> None:
    """A terminal and a screen reader get the description."""
    drawn = draw_chart(a_chart(), "It climbs.")
    assert drawn._repr_mimebundle_()["text/plain"] == repr(drawn) == "It climbs."


def test_chart_without_description_is_refused() -> None:
    """A picture that only some can see is not shown."""
    with pytest.raises(LabError, match="needs a description"):
        draw_chart(a_chart(), " ")
