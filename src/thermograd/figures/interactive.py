"""Spheres to turn around with the mouse: plotly figures as fragments of a page.

A page embeds plotly.js once, with `plotly_script`, however many fragments it holds. Fragments are the same
bytes whenever the data are: nothing in them is drawn at random.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError
from thermograd.figures.style import value_text
from thermograd.figures.toy_sphere import COLOURS

__all__ = ["Fragment", "interactive_sphere", "plotly_script"]

Array = NDArray[np.float64]
_LIFT = 1.004  # lines on the surface itself flicker with it
_MOST_POINTS = 2500  # of one path: more make the page heavy and look the same
_SCENE_AXIS: dict[str, Any] = {"visible": False, "showspikes": False, "range": [-1.05, 1.05]}


@dataclass(frozen=True)
class Fragment:
    """An interactive figure: markup that a page includes as it is, after `plotly_script`.

    Attributes
    ----------
    html
        A ``<div>`` and the script that fills it. It is markup, not text: it must not be escaped.
    alt
        What it shows, in words, for who cannot see it or has no scripts.
    caption
        How to read it.

    """

    html: str
    alt: str
    caption: str


def plotly_script() -> str:
    """The script element that holds plotly.js, about 5 MB: once in a page, before the first fragment."""
    from plotly.offline import get_plotlyjs

    return f"<script>{get_plotlyjs()}</script>"


def interactive_sphere(
    panels: Mapping[str, tuple[xr.Dataset, str]],
    *,
    name: str,
    caption: str,
    paths: Sequence[xr.DataArray] = (),
) -> Fragment:
    """Spheres coloured by values, with great circles and paths, to be turned; a button for each panel.

    Parameters
    ----------
    panels
        By the text of its button: values over ``latitude`` and ``longitude`` with the circles' normals in the
        attributes, as ``on_sphere(normals, globe())`` has them, and the variable to show. One panel is shown
        at a time; all share the circles of the first.
    name
        Name of the element in the page: letters, digits and dashes, unique in the page.
    caption
        How to read it.
    paths
        What ``path`` returned, slowest first, at most 4; long ones are thinned.

    Raises
    ------
    InputError
        A name that is none, no panels, too many paths, or values over anything else.

    Examples
    --------
    >>> latitude, longitude = np.linspace(-90, 90, 7), np.linspace(-180, 180, 13)
    >>> height = xr.DataArray(np.outer(latitude, np.ones(13)), {"latitude": latitude, "longitude": longitude})
    >>> values = xr.Dataset({"loss": height}, attrs={"normals": [0.0, 0.0, 1.0]})
    >>> fragment = interactive_sphere({"loss": (values, "loss")}, name="a-sphere", caption="Its height.")
    >>> 'id="a-sphere"' in fragment.html
    True

    """
    import plotly.graph_objects as go
    from plotly.io import to_html

    if not (name and name.replace("-", "").isalnum() and name.isascii()):
        raise InputError(f"interactive: name is {name!r}; expected letters, digits and dashes")
    if not panels:
        raise InputError("interactive: there are no panels; expected at least one")
    if len(paths) > len(COLOURS):
        raise InputError(f"interactive: there are {len(paths)} paths; expected at most {len(COLOURS)}")
    traces: list[Any] = [
        _surface(values, variable, text, visible=i == 0)
        for i, (text, (values, variable)) in enumerate(panels.items())
    ]
    first = next(iter(panels.values()))[0]
    traces += [_circle(normal, i) for i, normal in enumerate(np.reshape(first.attrs["normals"], (-1, 3)))]
    traces += [_walk(walked, colour) for walked, colour in zip(paths, COLOURS, strict=False)]
    if paths:
        traces.append(_start(paths[0]))
    figure = go.Figure(traces)
    figure.update_layout(**_layout(list(panels), len(traces)))
    html = to_html(
        figure,
        full_html=False,
        include_plotlyjs=False,
        div_id=name,
        config={"displaylogo": False, "responsive": True},
    )
    shown = ", ".join(panels)
    return Fragment(html, f"Sphere that can be turned: {shown}", caption)


def _surface(values: xr.Dataset, variable: str, text: str, *, visible: bool) -> Any:
    import plotly.graph_objects as go

    if variable not in values or set(values[variable].dims) != {"latitude", "longitude"}:
        raise InputError(
            f"interactive: {variable} over latitude and longitude is missing; expected on_sphere's"
        )
    if "normals" not in values.attrs:
        raise InputError("interactive: values lack the circles' normals; expected those of on_sphere")
    table = values[variable].transpose("latitude", "longitude")
    # Every 2.5 degrees are fine enough for the eye, and a sixth of the bytes of a grid of degrees.
    thin = table.isel(
        latitude=_every(table.sizes["latitude"], 73), longitude=_every(table.sizes["longitude"], 145)
    )
    latitude, longitude = np.radians(thin["latitude"].values), np.radians(thin["longitude"].values)
    b, a = np.meshgrid(latitude, longitude, indexing="ij")
    colour = thin.values.astype(np.float32)
    finite = colour[np.isfinite(colour)]
    # A ratio's infinities would take all colours: the scale ends where 98% of the sphere do.
    top = float(np.quantile(finite, 0.98)) if variable == "snr" else float(finite.max())
    return go.Surface(
        x=(np.cos(b) * np.cos(a)).astype(np.float32),
        y=(np.cos(b) * np.sin(a)).astype(np.float32),
        z=np.sin(b).astype(np.float32),
        surfacecolor=np.nan_to_num(colour, nan=0.0, posinf=10 * top),
        cmin=float(finite.min()),
        cmax=top,
        colorscale="Viridis",
        name=text,
        visible=visible,
        showlegend=False,
        hovertemplate=f"{text} %{{surfacecolor:.4g}}<extra></extra>",
        colorbar={"title": {"text": text, "side": "right"}, "len": 0.7, "thickness": 14},
        lighting={"ambient": 0.9, "diffuse": 0.25, "specular": 0.05},
    )


def _every(size: int, most: int) -> list[int]:
    count = min(size, most)
    return [round(i * (size - 1) / (count - 1)) for i in range(count)]


def _thinned(size: int) -> list[int]:
    """Half of the points by the logarithm of time: the approach is short, the stay is long."""
    if size <= _MOST_POINTS:
        return list(range(size))
    late = _every(size, _MOST_POINTS // 2)
    early = np.geomspace(1, size - 1, _MOST_POINTS // 2).round().astype(int).tolist()
    return sorted({0, *early, *late})


def _circle(normal: Array, index: int) -> Any:
    other = np.eye(3)[np.argmin(np.abs(normal))]
    first = np.cross(normal, other)
    first /= np.linalg.norm(first)
    second = np.cross(normal / np.linalg.norm(normal), first)
    turn = np.linspace(0, 2 * np.pi, 181)
    line = np.outer(np.cos(turn), first) + np.outer(np.sin(turn), second)
    return _line(line, color="#000000", width=4, name="great circles", group="circles", legend=index == 0)


def _walk(walked: xr.DataArray, colour: str) -> Any:
    points = walked.values[_thinned(walked.sizes["step"])]
    text = f"η = {value_text(float(walked.attrs['elr']))}"
    return _line(points, color=colour, width=4, name=text, group=text, legend=True)


def _line(points: ArrayLike, *, color: str, width: int, name: str, group: str, legend: bool) -> Any:
    import plotly.graph_objects as go

    x, y, z = (_LIFT * np.asarray(points, dtype=float)).T.astype(np.float32)
    return go.Scatter3d(
        x=x,
        y=y,
        z=z,
        mode="lines",
        line={"color": color, "width": width},
        name=name,
        legendgroup=group,
        showlegend=legend,
        hoverinfo="skip",
    )


def _start(walked: xr.DataArray) -> Any:
    import plotly.graph_objects as go

    x, y, z = ([float(c)] for c in 1.01 * walked.values[0])
    marker = {"size": 5, "color": "#ffffff", "line": {"color": "#000000", "width": 2}}
    return go.Scatter3d(x=x, y=y, z=z, mode="markers", marker=marker, name="start", hoverinfo="name")


def _layout(panels: list[str], count: int) -> dict[str, Any]:
    layout: dict[str, Any] = {
        "height": 520,
        "margin": {"l": 0, "r": 0, "t": 10, "b": 0},
        # White like the static pictures: black circles and labels must be seen on dark pages too.
        "paper_bgcolor": "#ffffff",
        "font": {"color": "#1c1f23"},
        "scene": {
            "xaxis": _SCENE_AXIS,
            "yaxis": _SCENE_AXIS,
            "zaxis": _SCENE_AXIS,
            "aspectmode": "cube",
            "camera": {"eye": {"x": -0.5, "y": 1.15, "z": 1.1}},
        },
        "legend": {"orientation": "h", "x": 0.5, "xanchor": "center", "y": 0.0, "yanchor": "top"},
    }
    if len(panels) > 1:
        rest = [True] * (count - len(panels))
        buttons = [
            {
                "label": text,
                "method": "restyle",
                "args": [{"visible": [i == j for j in range(len(panels))] + rest}],
            }
            for i, text in enumerate(panels)
        ]
        layout["updatemenus"] = [
            {"type": "buttons", "direction": "right", "x": 0.0, "xanchor": "left", "y": 1.0, "yanchor": "top"}
            | {"buttons": buttons, "showactive": True}
        ]
    return layout
