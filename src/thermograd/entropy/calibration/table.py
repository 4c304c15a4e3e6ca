"""What the calibration study found, as tables: bias and spread of estimators, and slopes across states."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.theory.queue_bias import queue_bias

__all__ = ["bias_rows", "reach_rows", "slope_rows", "to_csv"]

Array = NDArray[np.float64]
Record = Mapping[str, Any]
Row = dict[str, Any]

_TOLERATED = 0.1  # error of a slope that a comparison of states can live with
_CLOSE = 4.0  # ratio of spans between which a slope can be interpolated


def bias_rows(records: Iterable[Record]) -> list[Row]:
    """Bias, spread and claimed error of every estimator in every case.

    Parameters
    ----------
    records
        Cases as the study keeps them.

    Returns
    -------
    list of dict
        One row a case and estimator. ``answers`` of the ``repeats`` samples got a finite number; where fewer
        than nine in ten did there is no bias. ``entropy`` is the law's own; ``bias`` the mean of estimate
        minus ``entropy`` with its standard error ``bias_se``; ``sd`` the spread of a single sample, ``se``
        the root mean square of what the estimates claim it is; ``covered`` the fraction of samples within two
        claimed errors of the estimator's own mean, ``within`` of the law's entropy. ``predicted`` is
        :func:`thermograd.theory.queue_bias` where it speaks (``kl k=1`` on walks up to 100 dimensions).

    Examples
    --------
    >>> readings = {"kl k=1": {"entropy": [2.0, 2.2], "se": [0.2, 0.2], "n_effective": [9.0, 9.0],
    ...                        "absolute": True, "refused": ""}}
    >>> case = {"law": "uniform", "dim": 2, "parameter": None, "spacing": None, "n": 100, "entropy": 2.0}
    >>> row = bias_rows([case | {"readings": readings}])[0]
    >>> round(row["bias"], 3), round(row["bias_se"], 3), round(row["within"], 3)
    (0.1, 0.1, 1.0)

    """
    rows = []
    for record in records:
        predicted = _predicted(record)
        for name, column in record["readings"].items():
            entropy, se = _array(column["entropy"]), _array(column["se"])
            row = _head(record) | {"estimator": name, "absolute": column["absolute"], "repeats": entropy.size}
            row["answers"] = int(np.isfinite(entropy).sum())
            row |= {"entropy": record["entropy"], "bias": math.nan, "bias_se": math.nan, "sd": math.nan}
            row |= {"se": math.nan, "covered": math.nan, "within": math.nan, "n_effective": math.nan}
            row |= {"predicted": predicted if name == "kl k=1" else math.nan, "refused": column["refused"]}
            answered = np.isfinite(entropy)
            if _enough(answered):
                error, se = entropy[answered] - record["entropy"], se[answered]
                sd = float(error.std(ddof=1))
                row |= {"bias": float(error.mean()), "bias_se": sd / math.sqrt(error.size), "sd": sd}
                row["se"] = float(np.sqrt(np.mean(se**2)))
                row["covered"] = float(np.mean(np.abs(error - error.mean()) <= 2 * se))
                row["within"] = float(np.mean(np.abs(error) <= 2 * se)) if column["absolute"] else math.nan
                row["n_effective"] = float(np.mean(_array(column["n_effective"])[answered]))
            rows.append(row)
    return rows


def slope_rows(records: Iterable[Record]) -> list[Row]:
    """How well entropy differences between states are read when every state is looked at every so many steps.

    Two states of one system at ELR ``a`` and ``b`` have temperatures and spacings (in correlation times) in
    the ratio ``b/a``, and entropies ``(dim/2) log(b/a)`` apart. ``slope`` is the difference that is read over
    the true one: 1 when the bias is the same in both, as the papers assume.

    Parameters
    ----------
    records
        Cases as the study keeps them; those that are no walks are passed over.

    Returns
    -------
    list of dict
        One row a pair of neighbouring spans and estimator; ``span`` is their geometric mean, ``slope_se`` the
        standard error from the repeats, paired by their random numbers.

    Examples
    --------
    A bias that grows by ``log 2`` where the truth does in two dimensions reads twice the slope:

    >>> def case(spacing, entropy):
    ...     read = {"kl k=1": {"entropy": entropy, "se": [0.1, 0.1]}}
    ...     return {"law": "walk", "dim": 2, "n": 100, "spacing": spacing, "entropy": 2.0, "readings": read}
    >>> row = slope_rows([case(0.01, [1.0, 1.2]), case(0.02, [1.0 + np.log(2), 1.2 + np.log(2)])])[0]
    >>> round(row["slope"], 6), round(row["span"], 3)
    (2.0, 1.414)

    """
    families: dict[tuple[str, int, int], list[Record]] = {}
    for record in records:
        if record["spacing"] is not None:
            families.setdefault((record["law"], record["dim"], record["n"]), []).append(record)
    rows = []
    for (law, dim, n), family in families.items():
        family.sort(key=lambda record: float(record["spacing"]))
        for low, high in pairwise(family):
            true = 0.5 * dim * math.log(high["spacing"] / low["spacing"])
            for name in high["readings"]:
                below, above = _errors(low, name), _errors(high, name)
                if below.size != above.size or not _enough(answered := np.isfinite(below + above)):
                    continue
                ratio = 1.0 + (above - below)[answered] / true
                spacing = math.sqrt(low["spacing"] * high["spacing"])
                row = {"law": law, "dim": dim, "n": n, "estimator": name, "spacing": spacing}
                row |= {"span_low": n * low["spacing"], "span_high": n * high["spacing"], "span": n * spacing}
                row |= {"slope": float(ratio.mean())}
                row |= {"slope_se": float(ratio.std(ddof=1)) / math.sqrt(ratio.size)}
                rows.append(row)
    return rows


def reach_rows(slopes: Sequence[Row], tolerated: float = _TOLERATED) -> list[Row]:
    """From which span, and spacing, on the bias is the same in all states, up to a tolerated error of slopes.

    Parameters
    ----------
    slopes
        Rows of `slope_rows`; those of states more than a factor of 4 apart are passed over.
    tolerated
        Largest error of a slope, relative.

    Returns
    -------
    list of dict
        One row a family and estimator: ``span`` and ``spacing``, interpolated, beyond which every slope is
        right within ``tolerated`` (NaN where the last one still is not), the range ``span_low``,
        ``span_high`` that two standard errors of the slopes leave; the first span at which there was an
        answer with its slope, and the last slope.

    Examples
    --------
    >>> rows = [{"law": "walk", "dim": 2, "n": 100, "estimator": "kl k=1", "span": span, "slope": slope,
    ...          "span_low": span / 1.5, "span_high": span * 1.5, "slope_se": 0.0}
    ...         for span, slope in ((4.0, 2.0), (9.0, 1.2), (20.25, 1.0))]
    >>> round(reach_rows(rows)[0]["span"], 2)  # half way, on a logarithmic scale
    13.5

    """
    groups: dict[tuple[str, int, int, str], list[Row]] = {}
    for row in slopes:
        if row["span_high"] > _CLOSE * row["span_low"]:
            continue
        groups.setdefault((row["law"], row["dim"], row["n"], row["estimator"]), []).append(row)
    rows = []
    for (law, dim, n, name), group in groups.items():
        group.sort(key=lambda row: float(row["span"]))
        span, slope, se = (_array([row[key] for row in group]) for key in ("span", "slope", "slope_se"))
        error = np.abs(slope - 1.0)
        middle, low, high = (
            _crossing(np.log(span), values, tolerated)
            for values in (error, np.maximum(error - 2 * se, 0.0), error + 2 * se)
        )
        row = {"law": law, "dim": dim, "n": n, "estimator": name, "tolerated": tolerated, "span": middle}
        row |= {"span_low": low, "span_high": high, "spacing": middle / n}
        row |= {"span_first": float(span[0]), "slope_first": float(slope[0])}
        rows.append(row | {"slope_last": float(slope[-1])})
    return rows


def to_csv(rows: Sequence[Row]) -> str:
    """Rows as CSV text: numbers to six digits, what is missing empty.

    Examples
    --------
    >>> print(to_csv([{"a": 1, "b": 0.123456789, "c": math.nan}]), end="")
    a,b,c
    1,0.123457,

    """
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _text(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def _enough(answered: NDArray[np.bool_]) -> bool:
    """Where more than a tenth of the samples got no answer, those that did are a choice of samples."""
    return answered.size > 1 and float(answered.mean()) >= 0.9


def _crossing(x: Array, error: Array, tolerated: float) -> float:
    """Where the error falls below what is tolerated for good: 0 if never above it, NaN if never below."""
    above = np.flatnonzero(error > tolerated)
    if above.size == 0:
        return 0.0
    last = int(above[-1])
    if last + 1 == x.size:
        return math.nan
    part = (error[last] - tolerated) / (error[last] - error[last + 1])
    return math.exp(x[last] + part * (x[last + 1] - x[last]))


def _predicted(record: Record) -> float:
    if record["spacing"] is None or record["dim"] > 100:
        return math.nan
    return queue_bias(record["n"], record["spacing"], record["dim"]).bias


def _head(record: Record) -> Row:
    spacing = math.inf if record["spacing"] is None else record["spacing"]
    parameter = math.inf if record["parameter"] is None else record["parameter"]
    head = {"law": record["law"], "dim": record["dim"], "parameter": parameter, "n": record["n"]}
    return head | {"spacing": spacing, "span": record["n"] * spacing}


def _errors(record: Record, name: str) -> Array:
    column = record["readings"].get(name)
    return np.empty(0) if column is None else _array(column["entropy"]) - record["entropy"]


def _array(values: Iterable[float | None]) -> Array:
    return np.array([math.nan if value is None else value for value in values], dtype=float)


def _text(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value
