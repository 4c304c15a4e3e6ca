"""Fill the tables of docs/engine.md from the results of benchmarks/engine.py and scripts/precision_study.py.

python scripts/engine_docs.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from markers import fill

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "engine.md"
RESULTS = ROOT / "benchmarks" / "results"


def engine_table(report: dict[str, Any]) -> str:
    """Throughput, whole runs, sampling, scaling."""
    lines = [
        "| network | plain loop | engine, per replica-step | how | faster "
        "| than plain loops on all cores | share of peak (plain) |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in report["results"]:
        how = f"{row['workers']} processes x {row['engine']['replicas']}, `{row['engine']['kernel']}`"
        lines.append(
            f"| {row['case']} | {row['plain']['step']:.2f} ms | {row['engine_ms_per_replica_step']:.3g} ms "
            f"| {how} | {row['speedup']:.1f} times | {row['speedup_over_plain_on_all_cores']:.1f} times "
            f"| {row['share_of_peak']:.0%} ({row['plain_share_of_peak']:.0%}) |"
        )
    lines += ["", f"Peak: float32 matrix products on all cores, {report['peak_gflops']:.0f} GFLOP/s.", ""]
    for run in report["whole_runs"]:
        lines.append(
            f"- A run of the papers' ConvNet schedule, {run['case']}, put together from measured parts: "
            f"{run['plain_hours']:.3g} h with the plain loop, {run['engine_hours']:.3g} h with the engine, "
            f"{run['speedup']:.1f} times shorter, with {run['log_points']} log points of {run['draws']} "
            f"gradients for the same standard error as 200 of 4000. Measuring takes "
            f"{run['engine_measuring_share']:.1%} of the training in the engine, "
            f"{run['plain_measuring_share']:.0%} in the plain loop."
        )
    real = report["really_run"]
    lines.append(
        f"- That schedule at {real['steps']} iterations on the digits, really run both ways: "
        f"{real['plain_s']:.0f} s and {real['engine_s_per_run']:.3g} s a run, {real['speedup']:.1f} times."
    )
    scaling = report["results"][0]["replica_steps_per_second"]
    listed = ", ".join(f"{float(rate):.0f} with {replicas}" for replicas, rate in scaling.items())
    lines.append(
        f"- {report['results'][0]['case']}, replica-steps a second by replicas per process: {listed}."
    )
    workers = ", ".join(
        f"{float(rate):.0f} with {count}" for count, rate in report["scaling_with_workers"].items()
    )
    lines.append(f"- By processes, 8 replicas each: {workers}.")
    sampling = report["sampling"]
    share = sampling["of_which_the_draws_add"] / sampling["variance_between_points_20_draws"]
    lines.append(
        f"- |E g|² at points of a stationary run, 20 draws each: {share:.0%} of the variance between points "
        "comes from the draws, the rest from the weights' own motion. "
        f"{sampling['points_of_20_for_one_of_4000']:.2f} points of 20 draws are worth one of 4000."
    )
    return "\n".join(lines)


def precision_table(rows: list[dict[str, Any]]) -> str:
    """Float32 beside bfloat16."""
    lines = ["| ELR | quantity | float32 | bfloat16 | difference |", "|---|---|---|---|---|"]
    for row in rows:
        if "float32" not in row:
            change = f"{row['difference']:+.2%} ± {row['se']:.1%}"
            lines.append(f"| {row['elr']:g} | {row['quantity']} | – | – | {change} |")
            continue
        full, rounded = (sum(row[name]) / len(row[name]) for name in ("float32", "bfloat16"))
        change = f"{row['difference']:+.2g} ± {row['se']:.1g}"
        lines.append(f"| {row['elr']:g} | {row['quantity']} | {full:.4g} | {rounded:.4g} | {change} |")
    return "\n".join(lines)


def main() -> None:
    """Fill what there are results for."""
    text = PAGE.read_text()
    for name, file, table in (
        ("engine-table", "engine.json", engine_table),
        ("precision-table", "precision.json", precision_table),
    ):
        path = RESULTS / file
        if path.exists():
            text = fill(text, name, table(json.loads(path.read_text())), PAGE)
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
