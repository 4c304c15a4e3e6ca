"""The stationary cloud of directions on its sphere, to turn around with the mouse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError
from thermograd.figures.interactive import Fragment

__all__ = ["cloud_sphere"]

Array = NDArray[np.float64]
_COLOURS = ("#0072B2", "#009E73", "#D55E00", "#7A5195", "#CC3377", "#8C6D00")
_MOST_POINTS = 2000
_LIFT = 1.004  # points on the surface itself flicker with it
_AXIS: dict[str, Any] = {"visible": False, "showspikes": False, "range": [-1.15, 1.15]}


def cloud_sphere(clouds: Mapping[str, ArrayLike], *, mu: ArrayLike, name: str, caption: str) -> Fragment:
    """Clouds of directions on the unit sphere with ``mu`` and the minimum marked; a button for each cloud.

    Parameters
    ----------
    clouds
        Unit vectors, shape ``(n, 3)``, by the text of their button; one cloud is shown at a time.
    mu
        Where the loss is largest, shape ``(3,)``; the minimum is opposite.
    name
        Name of the element in the page: letters, digits and dashes, unique in the page.
    caption
        How to read it.

    Returns
    -------
    Fragment
        Markup for a page that holds plotly.js.

    Raises
    ------
    InputError
        A name that is none, no clouds, or points of another shape.

    Examples
    --------
    >>> points = np.eye(3)
    >>> fragment = cloud_sphere({"axes": points}, mu=[1, 0, 0], name="a-cloud", caption="Three axes.")
    >>> 'id="a-cloud"' in fragment.html
    True

    """
    import plotly.graph_objects as go
    from plotly.io import to_html

    if not (name and name.replace("-", "").isalnum() and name.isascii()):
        raise InputError(f"interactive: name is {name!r}; expected letters, digits and dashes")
    if not clouds:
        raise InputError("interactive: there are no clouds; expected at least one")
    traces = [_points(points, words, i) for i, (words, points) in enumerate(clouds.items())]
    pole = np.asarray(mu, dtype=np.float64)
    if pole.shape != (3,) or not np.linalg.norm(pole) > 0:
        raise InputError(f"interactive: mu has shape {pole.shape}; expected a vector of 3 numbers, not all 0")
    pole /= np.linalg.norm(pole)
    traces += [_globe(), _graticule(), _mark(pole, "μ, the largest loss", "#222222", "x")]
    traces.append(_mark(-pole, "the minimum", "#222222", "diamond-open"))
    figure = go.Figure(traces)
    figure.update_layout(**_layout(list(clouds), len(traces), pole))
    html = to_html(
        figure,
        full_html=False,
        include_plotlyjs=False,
        div_id=name,
        config={"displaylogo": False, "responsive": True},
    )
    return Fragment(html, f"Sphere of directions that can be turned: {', '.join(clouds)}", caption)


def _points(points: ArrayLike, words: str, index: int) -> Any:
    import plotly.graph_objects as go

    x = np.asarray(points, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != 3 or not len(x):
        raise InputError(f"interactive: cloud {words!r} has shape {x.shape}; expected (n, 3)")
    a, b, c = (_LIFT * x[:_MOST_POINTS]).T.astype(np.float32)
    return go.Scatter3d(
        x=a,
        y=b,
        z=c,
        mode="markers",
        marker={"size": 2.2, "color": _COLOURS[index % len(_COLOURS)]},
        name=words,
        visible=index == 0,
        hoverinfo="name",
    )


def _globe() -> Any:
    import plotly.graph_objects as go

    b, a = np.meshgrid(
        np.radians(np.arange(-90, 91, 5.0)), np.radians(np.arange(-180, 181, 5.0)), indexing="ij"
    )
    return go.Surface(
        x=(np.cos(b) * np.cos(a)).astype(np.float32),
        y=(np.cos(b) * np.sin(a)).astype(np.float32),
        z=np.sin(b).astype(np.float32),
        surfacecolor=np.zeros(a.shape, dtype=np.float32),
        colorscale=[[0, "#e8ecf1"], [1, "#e8ecf1"]],
        showscale=False,
        hoverinfo="skip",
        showlegend=False,
        lighting={"ambient": 0.85, "diffuse": 0.3, "specular": 0.02},
    )


def _graticule() -> Any:
    """Meridians and parallels every 30 degrees, as one broken line: they make a disc look like a sphere."""
    import plotly.graph_objects as go

    turn, lines = np.radians(np.arange(-180.0, 181.0, 5.0)), []
    for latitude in np.radians(np.arange(-60.0, 61.0, 30.0)):
        level = np.full_like(turn, np.sin(latitude))
        lines.append(np.stack([np.cos(latitude) * np.cos(turn), np.cos(latitude) * np.sin(turn), level]))
    for longitude in np.radians(np.arange(0.0, 180.0, 30.0)):
        flat = np.cos(turn)
        lines.append(np.stack([flat * np.cos(longitude), flat * np.sin(longitude), np.sin(turn)]))
    gap = np.full((3, 1), np.nan)
    x, y, z = np.concatenate([part for line in lines for part in (1.002 * line, gap)], axis=1).astype(
        np.float32
    )
    line = {"color": "#b4bcc6", "width": 1}
    return go.Scatter3d(x=x, y=y, z=z, mode="lines", line=line, hoverinfo="skip", showlegend=False)


def _mark(place: Array, words: str, colour: str, symbol: str) -> Any:
    import plotly.graph_objects as go

    x, y, z = ([float(c)] for c in 1.02 * place)
    marker = {"size": 6, "color": colour, "symbol": symbol}
    return go.Scatter3d(x=x, y=y, z=z, mode="markers", marker=marker, name=words, hoverinfo="name")


def _layout(words: list[str], count: int, pole: Array) -> dict[str, Any]:
    rest = [True] * (count - len(words))
    buttons = [
        {
            "label": text,
            "method": "restyle",
            "args": [{"visible": [i == j for j in range(len(words))] + rest}],
        }
        for i, text in enumerate(words)
    ]
    # From the side of the minimum, a little off: the cloud faces the reader.
    side = np.cross(pole, np.eye(3)[np.argmin(np.abs(pole))])
    x, y, z = (float(c) for c in 1.45 * (-pole + 0.55 * side / np.linalg.norm(side)))
    layout: dict[str, Any] = {
        "height": 520,
        "margin": {"l": 0, "r": 0, "t": 10, "b": 0},
        # White like the static pictures: marks must be seen on dark pages too.
        "paper_bgcolor": "#ffffff",
        "font": {"color": "#1c1f23"},
        "scene": {
            "xaxis": _AXIS,
            "yaxis": _AXIS,
            "zaxis": _AXIS,
            "aspectmode": "cube",
            "camera": {"eye": {"x": x, "y": y, "z": z}},
        },
        "legend": {"orientation": "h", "x": 0.5, "xanchor": "center", "y": 0.0, "yanchor": "top"},
    }
    if len(words) > 1:
        layout["updatemenus"] = [
            {"type": "buttons", "direction": "right", "x": 0.0, "xanchor": "left", "y": 1.0, "yanchor": "top"}
            | {"buttons": buttons, "showactive": True}
        ]
    return layout
