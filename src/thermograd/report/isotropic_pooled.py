"""The stationary law, pooled: all states of one temperature together against every version of the law."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from thermograd.analysis.isotropic import LawComparison, LawRow
from thermograd.figures.style import value_text
from thermograd.report.content import Claim, Section, Table
from thermograd.report.isotropic_findings import STARTED, IsotropicFindings
from thermograd.report.isotropic_verdict import impossible, judge, judge_pulls, largest
from thermograd.report.wording import PROTOCOL_NAMES, number, percent, percent_with_error, with_error

__all__ = ["pooled_claims", "pooled_section"]

_ENERGY, _ENTROPY, _RADIUS = 0.01, 0.02, 0.002
_SMALL_STEPS = 0.03  # ELR up to which the finite-step formula alone is good to the tolerance of the radius
_WIDE = 500.0  # correlation times in a queue that sees the whole law
_REMEMBERS = 1e-4  # of the radius: a smaller rest of the start is nobody's concern
_WORDS = {
    "loss": "energy U",
    "entropy_sphere": "entropy on the sphere",
    "norm": "radius",
    "effective_wd": "effective weight decay",
}
_INTRO = (
    "States of one effective learning rate have one law of the direction, whatever their radius or decay. "
    "Their mean is compared with each version of the law, its standard error is taken from their scatter. "
    "“Small steps” is the von Mises-Fisher law and the radius of the SDE, “finite steps” the law of the "
    "discrete chain, fluctuations of the gradient included, “Pythagoras” the finite-step formula of the "
    "radius, without them."
)
_NOTE = (
    "Deviations are measured / law − 1, of entropies measured − law in nats. Pull: the deviation in standard "
    "errors. Span: correlation times of the direction in a queue, the fewest among these states."
)


def pooled_section(found: Mapping[str, IsotropicFindings]) -> Section:
    """A table for each protocol, a row for every observable and level of the effective learning rate.

    Parameters
    ----------
    found
        Results by protocol name.

    """
    tables, remarks = [], []
    for protocol, results in found.items():
        name = PROTOCOL_NAMES[protocol]
        if isinstance(results.pooled, str):
            remarks.append(f"{name}: not tested; {results.pooled}")
            continue
        tables.append(_table(protocol, results.pooled))
        if isinstance(results.started, LawComparison):
            remarks += _started_remark(name, results.started)
    return Section("pooled", "The stationary law, pooled", (_INTRO, *remarks), tables=tuple(tables))


def pooled_claims(name: str, results: IsotropicFindings) -> list[Claim]:
    """What the pooled states say of energy, entropy and radius.

    Parameters
    ----------
    name
        The protocol as running text names it.
    results
        Its results.

    """
    found = results.pooled
    if isinstance(found, str):
        return [impossible(f"{name}: the direction has the von Mises-Fisher law", found)]
    claims = [_energy(name, found), *_entropy(name, found), *_radius(name, found, results.started)]
    if isinstance(results.started, LawComparison):
        claims += _started(name, results.started)
    return claims


def _table(protocol: str, found: LawComparison) -> Table:
    laws = list(dict.fromkeys(row.law for row in found.rows))
    by_level: dict[tuple[str, float], dict[str, LawRow]] = {}
    for row in found.rows:
        by_level.setdefault((row.observable, row.elr), {})[row.law] = row
    rows = []
    for (observable, elr), here in by_level.items():
        cells = [_WORDS[observable], value_text(elr), str(next(iter(here.values())).n)]
        for law in laws:
            cells += [_deviation(here[law]), number(here[law].pull, 2)] if law in here else ["–", "–"]
        spans = [row.span for row in here.values() if math.isfinite(row.span)]
        rows.append((*cells, number(spans[0]) if spans else "–"))
    heads = [head for law in laws for head in (f"from {law}", "pull")]
    title = f"States of one effective learning rate against theory: {PROTOCOL_NAMES[protocol]}"
    columns = ("what", "ELR", "states", *heads, "span")
    return Table(f"pooled-{protocol}", title, columns, tuple(rows), _NOTE)


def _deviation(row: LawRow) -> str:
    if row.observable == "entropy_sphere":
        return with_error(row.deviation, row.se)
    return percent_with_error(row.deviation, row.se)


def _worst(rows: Sequence[LawRow]) -> str:
    """The largest pull and the largest deviation, in words."""
    pull, off = largest(rows)
    unit = " nats" if pull.observable == "entropy_sphere" else ""
    words = (
        f"the largest pull is {number(pull.pull, 2)}, {_deviation(pull)}{unit} at ELR {value_text(pull.elr)}"
    )
    if off is pull:
        return f"{words}, which is the largest deviation too"
    return f"{words}; the largest deviation is {_deviation(off)}{unit} at ELR {value_text(off.elr)}"


def _energy(name: str, found: LawComparison) -> Claim:
    claim = f"{name}: energy U of the exact law at finite steps"
    rows, small = found.of("loss", "finite steps"), found.of("loss", "small steps")
    if not rows:
        return impossible(claim, "no level of the ELR has enough states")
    errors = [row.se for row in rows]
    measured = (
        f"{len(rows)} levels of the ELR, pooled to {percent(min(errors))} to {percent(max(errors))}: "
        f"{_worst(rows)}. From the law of small steps: {_worst(small)}"
    )
    reason = f"{sum(row.n for row in rows)} states; required: 3 standard errors, and these below "
    return Claim(claim, measured, judge_pulls(rows, _ENERGY, reason + percent(_ENERGY)))


def _entropy(name: str, found: LawComparison) -> list[Claim]:
    read = [
        row for row in found.rows if row.observable == "entropy_sphere" and math.isfinite(row.span)
    ]  # by a law that says what the queue sees
    own = {row.elr: row for row in found.of("entropy_sphere", "finite steps")}
    if not read:
        rows = list(own.values())
        claim = f"{name}: entropy on the sphere of the exact law at finite steps"
        if not rows:
            return [impossible(claim, "no level of the ELR has enough states")]
        reason = "what the queue sees of the law is not on record"
        return [Claim(claim, f"{len(rows)} levels: {_worst(rows)}", judge_pulls(rows, _ENTROPY, reason))]
    wide = [row for row in read if row.span >= _WIDE]
    narrow = [row for row in read if row.span < _WIDE]
    claims = []
    if wide:
        offsets = np.array([[own[row.elr].deviation, row.deviation] for row in wide])
        weights = np.array([1.0 / own[row.elr].se ** 2 for row in wide])
        offset, rest = np.average(offsets, axis=0, weights=weights)
        measured = (
            f"{len(wide)} levels of the ELR; from the exact law on average "
            f"{with_error(float(offset), float(weights.sum() ** -0.5))} nats, of which the estimator's own "
            f"bias at this number of points is {number(float(offset - rest), 2)}. With that taken off, "
            f"{_worst(wide)}"
        )
        reason = f"required: 3 standard errors, and these below {number(_ENTROPY)} nats"
        claim = f"{name}: entropy of the exact law where a queue spans {number(_WIDE)} correlation times"
        claims.append(Claim(claim, measured, judge_pulls(wide, _ENTROPY, reason)))
    if narrow:
        _, worst = largest(narrow)
        deepest = min((own[row.elr] for row in narrow), key=lambda row: row.deviation)
        predicted = next(deepest.deviation - row.deviation for row in narrow if row.elr == deepest.elr)
        measured = (
            f"{len(narrow)} levels of the ELR; deepest at ELR {value_text(deepest.elr)}, where the queue "
            f"reads {_deviation(deepest)} nats from the exact law, predicted {number(predicted)}; "
            f"{_worst(narrow)}"
        )
        reason = f"required: the prediction to {number(_ENTROPY)} nats at every level"
        claim = f"{name}: where the queue spans less, its entropy is too low by what the walk predicts"
        claims.append(Claim(claim, measured, judge(abs(worst.deviation), worst.se, _ENTROPY, reason)))
    return claims


def _radius(name: str, found: LawComparison, started: LawComparison | str | None) -> list[Claim]:
    what = next((row.observable for row in found.rows if row.law == "Pythagoras"), None)
    if what is None:
        return []
    cold = [row for row in found.of(what, "Pythagoras") if row.elr <= _SMALL_STEPS]
    hot = [row for row in found.of(what, "finite steps") if row.elr > _SMALL_STEPS]
    without = [row for row in found.of(what, "Pythagoras") if row.elr > _SMALL_STEPS]
    parts = (
        (cold, f"finite-step formula up to ELR {number(_SMALL_STEPS)}", ""),
        (
            hot,
            "law with fluctuations above",
            f". From the formula without them: {_worst(without)}" if without else "",
        ),
    )
    claims = []
    for rows, law, more in parts:
        if rows:
            _, off = largest(rows)
            start = _rest(started, off.elr)
            if start > _RADIUS / 2:
                more = f"; there the start is not forgotten, which leaves {percent(start)}"
            measured = f"{len(rows)} levels of the ELR: {_worst(rows)}{more}"
            verdict = judge(
                abs(off.deviation), off.se, _RADIUS, f"required: {percent(_RADIUS)} at every level"
            )
            claims.append(Claim(f"V1 pooled, {name}: {_WORDS[what]} of the {law}", measured, verdict))
    return claims


def _rest(started: LawComparison | str | None, elr: float) -> float:
    """What theory expects to be left of the start in the mean radius of a level."""
    if not isinstance(started, LawComparison):
        return 0.0
    pairs = zip(started.of("norm", "finite steps"), started.of("norm", STARTED), strict=True)
    return max((a.deviation - b.deviation for a, b in pairs if math.isclose(a.elr, elr)), default=0.0)


def _remembering(started: LawComparison) -> list[tuple[LawRow, LawRow]]:
    """Levels whose mean radius is expected to hold something of the start: from the end, and from theory."""
    pairs = zip(started.of("norm", "finite steps"), started.of("norm", STARTED), strict=True)
    return [(a, b) for a, b in pairs if abs(a.deviation - b.deviation) > _REMEMBERS]


def _started(name: str, started: LawComparison) -> list[Claim]:
    pairs = _remembering(started)
    if not pairs:
        return []
    told = [
        f"at ELR {value_text(end.elr)} {percent(end.deviation)} from the settled radius, predicted "
        f"{percent(end.deviation - rest.deviation)}"
        for end, rest in pairs
    ]
    rows = [rest for _, rest in pairs]
    measured = (
        f"means over the second half of the run, all states of a level: {'; '.join(told)}. What is left: "
        f"{_worst(rows)}"
    )
    _, off = largest(rows)
    reason = f"required: {percent(_RADIUS)} of the radius; part of these states do not count as stationary"
    claim = (
        f"{name}: at the smallest ELR the run is too short to forget its start, by what relaxation predicts"
    )
    return [Claim(claim, measured, judge(abs(off.deviation), off.se, _RADIUS, reason))]


def _started_remark(name: str, started: LawComparison) -> list[str]:
    told = [
        f"{percent(end.deviation)} at ELR {value_text(end.elr)} (predicted "
        f"{percent(end.deviation - rest.deviation)})"
        for end, rest in _remembering(started)
    ]
    if not told:
        return []
    return [
        f"{name}: this length of run does not settle the radius where the ELR is smallest. All states of a "
        f"level, those left out as not stationary too, lie off the settled radius by {' and '.join(told)}; "
        "the prediction is the SDE's relaxation from the radius at the start, averaged as the states are."
    ]
