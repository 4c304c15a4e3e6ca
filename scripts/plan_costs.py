"""Work out what the presets cost from the measured times of a step, and write it into docs/planning.md.

Usage: python scripts/plan_costs.py            rewrite what lies between the markers of the page
       python scripts/plan_costs.py --check    only compare; exit code 1 if the page is out of date
       python scripts/plan_costs.py --results FOLDER --workers N

Step times are read from FOLDER/*.json, by default benchmarks/results (see step_times.py).
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path

from step_times import Case, Step, measured_steps, network, step_of

from thermograd.files import atomic_write
from thermograd.reproduce.costs import Speed, cost, step_flops
from thermograd.reproduce.presets import Setup, setups
from thermograd.sweep.footprint import dimension
from thermograd.training.spec import TrainSpec

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "planning.md"
BEGIN, END = "<!-- costs: begin -->", "<!-- costs: end -->"

# Two entropies and the sample's diagnostics of one window of N directions in d dimensions take about
# this long on one core: training.measure.window_entropy at N = 100 to 1000 and d = 387 to 24 408, within a
# factor of 1.5.
WINDOW_SECONDS, WINDOW_SECONDS_PER_ENTRY = 8e-3, 24e-9

GPU_PEAK = 19.5e12
"""FLOP/s of an A100 in float32, by its data sheet."""
GPU_FRACTION = 0.1
GPUS = 64
# IG appendix F and FE appendix B, on A100, H100 and V100: hours of a run.
PUBLISHED_HOURS = {
    "ideal-gas-convnet-cifar10": "2 to 3",
    "ideal-gas-overparameterised-resnet18-cifar10": "6 to 9",
    **{
        f"free-energy-{net}-{data}-up": "4"
        for net in ("convnet", "resnet18")
        for data in ("cifar10", "cifar100")
    },
    **{
        f"free-energy-{net}-{data}-op": "20"
        for net in ("convnet", "resnet18")
        for data in ("cifar10", "cifar100")
    },
}


def speed(spec: TrainSpec, step_seconds: float) -> Speed:
    """Of one core that takes so long for a step."""
    window = WINDOW_SECONDS + WINDOW_SECONDS_PER_ENTRY * spec.measurement.queue_size * dimension(spec)
    return Speed(step_seconds, window_seconds=window)


def cpu_table(some: tuple[Setup, ...], steps: dict[Case, Step], workers: int, replicas: int) -> str:
    """One line a setup: counts, time on one core and on this machine, memory and disk."""
    rows = [
        "| setup | network | runs | iterations | gradients | entropies | a step | one core "
        f"| {workers} workers | memory | results | checkpoints |",
        "|---|---|" + "---:|" * 10,
    ]
    core, wall, found = 0.0, 0.0, None
    for setup in some:
        spec = setup.grids[0][1]
        step = step_of(spec, steps)
        found = cost(setup, speed(spec, step.seconds), workers=workers, replicas=replicas)
        core, wall = core + found.core_seconds, wall + found.seconds
        rows.append(
            f"| `{setup.name}` | {named(spec)} | {found.runs} | {count(found.steps)} "
            f"| {count(found.gradients)} | {found.windows} "
            f"| {'' if step.measured else '~'}{duration(step.seconds)} "
            f"| {duration(found.core_seconds)} | {duration(found.seconds)} | {size(found.memory_bytes)} "
            f"| {size(found.trace_bytes)} | {size(found.checkpoint_bytes)} |"
        )
    rows.append(f"| all | | | | | | | {duration(core)} | {duration(wall)} | | | |")
    return "\n".join(rows)


def gpu_table(some: tuple[Setup, ...]) -> str:
    """GPU hours by operations alone, beside what the papers report."""
    rate = GPU_FRACTION * GPU_PEAK
    rows = [
        f"| setup | network | runs | GFLOP a step | hours a run | published | one GPU | {GPUS} GPUs |",
        "|---|---|" + "---:|" * 6,
    ]
    total, wall = 0.0, 0.0
    for setup in some:
        spec = setup.grids[0][1]
        work = step_flops(*network(spec), batch_size=spec.batch_size)
        one = cost(setup, Speed(work / rate), workers=1)
        many = cost(setup, Speed(work / rate), workers=GPUS)
        total, wall = total + one.seconds, wall + many.seconds
        hours = PUBLISHED_HOURS.get(setup.name, "")
        rows.append(
            f"| `{setup.name}` | {named(spec)} | {one.runs} | {work / 1e9:.3g} "
            f"| {digits(one.seconds / one.runs / 3600)} | {hours} | {duration(one.seconds)} "
            f"| {duration(many.seconds)} |"
        )
    rows.append(f"| all | | | | | | {duration(total)} | {duration(wall)} |")
    return "\n".join(rows)


def named(spec: TrainSpec) -> str:
    """The network as a reader knows it."""
    return f"{'ResNet-18' if spec.architecture == 'ResNet18' else spec.architecture}({spec.width})"


def digits(value: float) -> str:
    """Two digits, or all of a large number, without an exponent."""
    return f"{value:.2g}" if value < 9.95 else f"{value:.0f}"


def duration(seconds: float) -> str:
    """In the unit that suits."""
    for unit, length in (("years", 365.25 * 86400), ("days", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= 2 * length:
            return f"{digits(seconds / length)} {unit}"
    return f"{digits(1e3 * seconds)} ms"


def size(number: float) -> str:
    """Bytes for people."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if number >= scale:
            return f"{digits(number / scale)} {unit}"
    return f"{digits(number / 1e3)} kB"


def count(number: float) -> str:
    """Three digits, millions and thousands by letter."""
    for letter, scale in (("M", 1e6), ("k", 1e3)):
        if number >= scale:
            return (
                f"{number / scale:.3g} {letter}" if number < 1e3 * scale else f"{number / scale:.0f} {letter}"
            )
    return f"{number:.0f}"


def command(setup: Setup, index: int) -> str:
    """The sweep of one of a setup's grids on a Ray cluster, option by option."""
    grid, spec = setup.grids[index]
    options = {
        "architecture": spec.architecture,
        "width": spec.width,
        "data": spec.data,
        "steps": spec.steps,
        "anneal": spec.anneal,
        "settle": spec.settle,
        "initial-radius": spec.initial_radius,
        "log-every": spec.measurement.log_every,
        "log-until": spec.measurement.log_until,
        "log-points": spec.measurement.log_points,
        "noise-draws": spec.measurement.noise_draws,
        "queue-size": spec.measurement.queue_size,
        "queue-every": spec.measurement.queue_every,
    }
    axes = " ".join(
        f"--{axis} {values[0]:g}:{values[-1]:g}:{len(values)}" for axis, values in grid.axes.items()
    )
    words = [f"--{name} {value}" for name, value in options.items() if value is not None]
    words.append("--engine ray --address HEAD:6379 --gpus-per-run 1 --device cuda --out /shared/results")
    lines = [f"thermograd sweep run {axes}"]
    for word in words:  # filled to the width of the page
        if len(lines[-1]) + len(word) < 100:
            lines[-1] += f" {word}"
        else:
            lines.append(f"    {word}")
    return " \\\n".join(lines)


def page(folder: Path, workers: int) -> str:
    """What stands between the markers."""
    steps, cpus = measured_steps(folder)
    gas, energy = setups("ideal-gas", "paper"), setups("free-energy", "paper")
    wide = [published_rate("ResNet18", 32, 1_000_000, hours) for hours in (9, 6)]
    narrow = [published_rate("ConvNet", 8, 2_000_000, hours) for hours in (3, 2)]
    example = next(setup for setup in gas if setup.name == "ideal-gas-convnet-cifar10")
    parts = [
        "## On this processor",
        prose(
            f"""Step times are the fastest of `benchmarks/results` on one core:
            {"; ".join(cpus)}. A step marked ~ is not measured: it is that of the next width of the same
            architecture, scaled by the operations of the convolutions (wider networks run at a better rate,
            so that such a time is rather too long). Gradients are those drawn at frozen weights to measure
            noise, at most; each takes as long as a step. An entropy of N directions in d dimensions takes
            {1e3 * WINDOW_SECONDS:g} ms and {1e9 * WINDOW_SECONDS_PER_ENTRY:g} ns for each of the N d numbers.
            Memory is that of all workers, checkpoints are those that lie on the disk at one time. Runs of
            `quick` and `small` share networks by eights."""
        ),
        "### quick",
        cpu_table(setups("", "quick"), steps, workers, 8),
        "### small",
        cpu_table(setups("", "small"), steps, workers, 8),
        "### paper",
        cpu_table(gas + energy, steps, workers, 1),
        "## On GPUs: extrapolated",
        prose(
            f"""No time of this table is measured. Assumed: a step takes the floating-point operations of its
            convolutions, forward and backward, for 128 images, at
            {1e-12 * GPU_FRACTION * GPU_PEAK:.3g} TFLOP/s, which is {GPU_FRACTION:.0%} of the
            {1e-12 * GPU_PEAK:g} TFLOP/s that an A100 is specified for in
            float32; narrow networks reach that only where many runs share a network (`--replicas`). Entropies
            and the disk are left out. With {GPUS} GPUs each works on one run at a time, setup after setup; a
            setup of fewer runs than GPUs takes as long as its longest run."""
        ),
        gpu_table(gas + energy),
        prose(
            f"""The papers report, for comparison: IG 2 to 3 hours a run for ConvNet(8), 6 to 9 hours for
            ResNet-18(32) and about 6000 GPU hours in all, on A100 and H100; here its setups are
            {gpu_hours(gas):.0f}. FE 4 hours a run under-parameterised, 20 hours over-parameterised and about
            2500 GPU hours in all, on V100; here {gpu_hours(energy):.0f}. By its operations, a run of 6 to 9
            hours for ResNet-18(32) is {wide[0]:.1f} to {wide[1]:.1f} TFLOP/s, and one of 2 to 3
            hours for ConvNet(8) {narrow[0]:.2f} to {narrow[1]:.2f}:
            wide networks do better than the assumed rate, a narrow one that is alone on a GPU does not
            reach
            it."""
        ),
        "## Commands",
        "What a setup takes on the machine at hand, its step measured there, nothing started:",
        f"```\nthermograd reproduce ideal-gas --scale paper --part {example.name} --dry-run\n```",
        prose(
            f"""One protocol of a setup on a cluster whose nodes share a folder; this is the fixed-LR grid of
            `{example.name}`, and with `--dry-run` it only says what it would take:"""
        ),
        f"```\n{command(example, 2)}\n```",
    ]
    return "\n\n".join(parts)


def prose(text: str) -> str:
    """A paragraph, filled to the width of the documentation."""
    return textwrap.fill(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)


def gpu_hours(some: tuple[Setup, ...]) -> float:
    """GPU hours of all these setups at the assumed rate."""
    work = [(setup, step_flops(*network(setup.grids[0][1]))) for setup in some]
    rate = GPU_FRACTION * GPU_PEAK
    return sum(cost(setup, Speed(flops / rate)).core_seconds for setup, flops in work) / 3600


def published_rate(architecture: str, width: int, steps: int, hours: float) -> float:
    """TFLOP/s that a published run time is worth."""
    return 1e-12 * steps * step_flops(architecture, width, 3, 32) / (3600 * hours)


def main() -> int:
    """Rewrite or check the page."""
    parser = argparse.ArgumentParser(description="Write what the presets cost into docs/planning.md.")
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results", metavar="FOLDER")
    parser.add_argument("--workers", type=int, default=2, help="processes on this machine")
    options = parser.parse_args()
    text = PAGE.read_text()
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    new = f"{before}{BEGIN}\n\n{page(options.results, options.workers)}\n\n{END}{after}"
    if options.check:
        print(f"{PAGE.name} is {'up to date' if new == text else 'out of date: run this script'}")
        return int(new != text)
    atomic_write(PAGE, new)
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
