"""The training engine against a plain loop with the same measurements, side by side.

    python benchmarks/engine.py [--seconds 3] [--output benchmarks/results/engine.json]

The plain loop is one run as one writes it: torch's own modules and optimizer, on one core or on all of them,
whichever is faster, a loss and a gradient norm read at every step, and at each log point thousands of
minibatch gradients (the papers take 4000) for the plug-in estimate of |E g|^2. The engine is what a sweep
does: one process per core, each computing as many replicas at once as turn out fastest. Both are timed
in turn, several times; the fastest counts.

Reported: throughput in replica-steps per second; share of the peak FLOP/s of a matrix product on the same
cores; the time of a whole run of the papers' ConvNet schedule, put together from the measured times of steps,
gradients and entropies; that schedule at a hundredth of its length, really run both ways; the standard error
that each way of sampling gradients reaches in a stationary average; scaling with replicas and with workers.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import mean, variance
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from thermograd.data import ImageData, load
from thermograd.nets.registry import build
from thermograd.nets.weights import trainable
from thermograd.noise import gradient_noise
from thermograd.protocol import FixedELR
from thermograd.sweep.worker import WORKER_ENVIRONMENT
from thermograd.training import Measurement, TrainSpec
from thermograd.training.execution import Execution
from thermograd.training.group import resolve, step_seconds, train_group
from train_step import eager, environment

BATCH = 128
ROUNDS = 3
CASES = [("ConvNet", 2, "digits"), ("ConvNet", 8, "images"), ("ResNet18", 4, "images")]
FEW_DRAWS = 20
REPLICAS = (1, 2, 4, 8, 16)
PAPER = {"steps": 2_000_000, "log_points": 200, "gradients": 4000, "queue_every": 25}


def images(name: str) -> ImageData:
    """The digits, or random images of CIFAR-10's shape: what they show does not change the time of a step."""
    if name == "digits":
        return load("digits")
    rng = np.random.default_rng(0)
    shape = {"train": 2000, "test": 500}
    raw = {part: rng.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8) for part, n in shape.items()}
    labels = {part: rng.integers(0, 10, n) for part, n in shape.items()}
    digits = load("digits")
    return type(digits)(
        name="random images",
        train_raw=raw["train"],
        train_labels=labels["train"],
        test_raw=raw["test"],
        test_labels=labels["test"],
        num_classes=10,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        scale=255.0,
    )


def spec_of(architecture: str, width: int, **changes: object) -> TrainSpec:
    return TrainSpec(FixedELR(elr=1e-3, wd=1e-3), architecture, width, **changes)  # type: ignore[arg-type]


class PlainLoop:
    """One run, as one writes it."""

    def __init__(self, architecture: str, width: int, data: ImageData) -> None:
        self.x, self.y = torch.from_numpy(data.train_images), torch.from_numpy(data.train_labels)
        self.test = torch.from_numpy(data.test_images), torch.from_numpy(data.test_labels)
        generator = torch.Generator().manual_seed(0)
        ours = build(architecture, width, self.x.shape[1], 10, generator)
        self.net = eager(ours)  # type: ignore[arg-type]
        self.weights = trainable(ours)
        self.optimizer = torch.optim.SGD(self.weights, lr=0.01, weight_decay=1e-3)
        self.generator = generator
        self.losses: list[float] = []
        self.squares: list[float] = []

    def backward(self) -> torch.Tensor:
        index = torch.randint(len(self.x), (BATCH,), generator=self.generator)
        self.optimizer.zero_grad()
        loss = cross_entropy(self.net(self.x[index]), self.y[index])
        loss.backward()
        return loss

    def step(self) -> None:
        loss = self.backward()
        self.losses.append(loss.item())
        self.squares.append(sum(float(p.grad.square().sum()) for p in self.weights))  # type: ignore[union-attr]
        self.optimizer.step()

    def gradients(self, draws: int) -> tuple[float, float]:
        """Plug-in estimates of |E g|^2 and E|g|^2."""
        total, square = 0.0, 0.0
        for _ in range(draws):
            self.backward()
            g = torch.cat([p.grad.flatten() for p in self.weights])  # type: ignore[union-attr]
            total, square = total + g, square + float(g.square().sum())
        return float((total / draws).square().sum()), square / draws

    @torch.no_grad()
    def tested(self) -> float:
        return float(cross_entropy(self.net(self.test[0]), self.test[1]))


def plain_entropy(window: np.ndarray) -> float:
    """Seconds of the nearest-neighbour entropy in angles, with scikit-learn."""
    from sklearn.neighbors import NearestNeighbors

    start = time.perf_counter()
    x = window.astype(np.float64)
    tails = np.sqrt(np.cumsum(x[:, ::-1] ** 2, 1))[:, ::-1]
    angles = np.arctan2(tails[:, 1:], x[:, :-1])
    NearestNeighbors(n_neighbors=2, algorithm="brute").fit(angles).kneighbors(angles)
    return time.perf_counter() - start


def our_entropy(window: np.ndarray) -> float:
    """Seconds of everything that we read from a window: two entropies and the sample's diagnostics."""
    from thermograd.training.measure import window_entropy

    window_entropy(window, np.random.default_rng(0))
    start = time.perf_counter()
    window_entropy(window, np.random.default_rng(0))
    return time.perf_counter() - start


def timed(work: Callable[[], object], seconds: float) -> float:
    """Seconds of one call, the mean over about so long, after a warm-up."""
    work()
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < seconds or calls < 3:
        work()
        calls += 1
    return (time.perf_counter() - start) / calls


# -- in processes of their own -------------------------------------------------------------------------------


def plain_times(case: tuple[str, int, str], seconds: float) -> dict[str, float]:
    """On all cores or on one, whichever is faster for each part: small steps lose by threads."""
    loop = PlainLoop(case[0], case[1], images(case[2]))
    best: dict[str, float] = {}
    for threads in (1, os.cpu_count() or 1):
        torch.set_num_threads(threads)
        times = {
            "step": timed(loop.step, seconds),
            "gradient": timed(lambda: loop.gradients(10), seconds) / 10,
            "test": timed(loop.tested, 0.1),
        }
        best = {key: min(value, best.get(key, math.inf)) for key, value in times.items()}
    return best


def plain_alone(case: tuple[str, int, str], seconds: float) -> float:
    """Seconds of a plain step on one thread."""
    torch.set_num_threads(1)
    return timed(PlainLoop(case[0], case[1], images(case[2])).step, seconds)


def engine_times(
    case: tuple[str, int, str], execution: Execution, seconds: float, batch_size: int = BATCH
) -> float:
    spec = spec_of(case[0], case[1], batch_size=batch_size)
    return step_seconds(spec, images(case[2]), execution, seconds)


def concurrently(workers: int, work: Callable[..., float], *arguments: object) -> list[float]:
    """The same work in so many fresh processes at once, in the environment of a sweep's workers."""
    before = {name: os.environ.get(name) for name in WORKER_ENVIRONMENT}
    os.environ.update(WORKER_ENVIRONMENT)
    try:
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            return [future.result() for future in [pool.submit(work, *arguments) for _ in range(workers)]]
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def throughput(
    case: tuple[str, int, str], replicas: int, workers: int, seconds: float, batch_size: int = BATCH
) -> float:
    """Replica-steps per second of the whole machine."""
    given = case, Execution(replicas), seconds, batch_size
    return sum(replicas / t for t in concurrently(workers, engine_times, *given))


def network_of(case: tuple[str, int, str]) -> dict[str, object]:
    """What a record says of the network that it is about."""
    channels, side = (1, 8) if case[2] == "digits" else (3, 32)
    return {
        "case": f"{case[0]}({case[1]}) {channels}x{side}x{side}",
        "architecture": case[0],
        "width": case[1],
        "side": side,
        "channels": channels,
    }


def peak_flops(workers: int) -> float:
    """FLOP/s of float32 matrix products on all cores."""
    return max(sum(concurrently(workers, _gemm)) for _ in range(ROUNDS))


def _gemm() -> float:
    torch.set_num_threads(1)
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    return 2 * 1024**3 / timed(lambda: a @ b, 0.5)


def step_flops(case: tuple[str, int, str]) -> float:
    """FLOPs of a step's convolutions: forward, gradient by weights, gradient by input but the first."""
    data = images(case[2])
    net = build(case[0], case[1], data.train_images.shape[1], 10)
    sizes: list[float] = []

    def count(module: nn.Module, _: object, output: torch.Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        per_output = module.in_channels * module.kernel_size[0] * module.kernel_size[1]
        sizes.append(2.0 * per_output * output.numel() / len(output))

    net.kernel = "plain"  # type: ignore[assignment]
    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, nn.Conv2d)]
    net(torch.from_numpy(data.train_images[:16]))
    for hook in hooks:
        hook.remove()
    return BATCH * (3 * sum(sizes) - sizes[0])


# -- the parts of the report ---------------------------------------------------------------------------------


def compare(case: tuple[str, int, str], seconds: float, workers: int, rounds: int) -> dict[str, object]:
    network = network_of(case)
    candidates = REPLICAS if case[2] == "digits" else (1, 4)
    plain: dict[str, float] = {}
    beside = math.inf  # as many plain loops as cores, beside each other: seconds a step of the whole machine
    ours = dict.fromkeys(candidates, 0.0)
    for _ in range(rounds):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            for key, value in pool.submit(plain_times, case, seconds).result().items():
                plain[key] = min(plain.get(key, math.inf), value)
        rates = [1 / t for t in concurrently(workers, plain_alone, case, seconds)]
        beside = min(beside, 1 / sum(rates))
        for replicas in candidates:
            ours[replicas] = max(ours[replicas], throughput(case, replicas, workers, seconds))
    best = max(ours, key=lambda replicas: ours[replicas])
    step = 1 / ours[best]
    flops = step_flops(case)
    kernel = resolve(Execution(best), spec_of(case[0], case[1]), images(case[2])).kernel
    result = {
        **network,
        "workers": workers,
        "plain": {key: 1e3 * value for key, value in plain.items()},
        "plain_loops_on_all_cores_ms": 1e3 * beside,
        "speedup_over_plain_on_all_cores": beside / step,
        "engine_ms_per_replica_step": 1e3 * step,
        "engine": {"replicas": best, "kernel": kernel},
        "replica_steps_per_second": {str(key): value for key, value in ours.items()},
        "speedup": plain["step"] / step,
        "gflop_per_step": flops / 1e9,
    }
    print(
        f"{network['case']:22s} plain {1e3 * plain['step']:.2f} ms, engine {1e3 * step:.3f} ms per "
        f"replica-step ({best} replicas, {kernel}, {workers} workers): {plain['step'] / step:.2f}x, "
        f"{beside / step:.2f}x as many plain loops as cores"
    )
    return result


def shares(result: dict[str, object], peak: float) -> None:
    """How much of the cores' FLOP/s both use, all nine taps of a kernel counted at the borders too."""
    flops = 1e9 * float(result["gflop_per_step"])  # type: ignore[arg-type]
    plain: dict[str, float] = result["plain"]  # type: ignore[assignment]
    result["share_of_peak"] = 1e3 * flops / float(result["engine_ms_per_replica_step"]) / peak  # type: ignore[arg-type]
    result["plain_share_of_peak"] = 1e3 * flops / plain["step"] / peak
    print(f"{result['case']:22s} {result['share_of_peak']:.0%} of {peak / 1e9:.0f} GFLOP/s")


def whole_run(
    result: dict[str, object], entropy: dict[str, float], needed: float, size: int
) -> dict[str, object]:
    """Time of one run of the papers' ConvNet schedule, put together from the measured parts.

    The engine draws 20 gradients at as many more log points as it needs for the same standard error of the
    stationary mean (`sampling_errors`).
    """
    plain: dict[str, float] = result["plain"]  # type: ignore[assignment]
    windows = PAPER["steps"] // PAPER["queue_every"] // size
    gradients = PAPER["log_points"] * PAPER["gradients"]
    points = math.ceil(PAPER["log_points"] * max(1.0, needed))
    step = float(result["engine_ms_per_replica_step"])  # type: ignore[arg-type]
    theirs = PAPER["steps"] * plain["step"] + gradients * plain["gradient"]
    theirs += PAPER["log_points"] * plain["test"] + windows * 1e3 * entropy["plain"]
    measuring = points * (FEW_DRAWS * step + plain["test"]) + windows * 1e3 * entropy["ours"]
    ours = PAPER["steps"] * step + measuring
    print(
        f"{result['case']:22s} a run of {PAPER['steps']:.0e} iterations: plain {theirs / 3.6e6:.2f} h, "
        f"engine {ours / 3.6e6:.2f} h: {theirs / ours:.2f}x; "
        f"measuring costs {measuring / (ours - measuring):.1%}"
    )
    return {
        "case": result["case"],
        "plain_hours": theirs / 3.6e6,
        "engine_hours": ours / 3.6e6,
        "speedup": theirs / ours,
        "engine_measuring_share": measuring / (ours - measuring),
        "plain_measuring_share": theirs / (PAPER["steps"] * plain["step"]) - 1,
        "log_points": points,
        "draws": FEW_DRAWS,
        "queue": size,
    }


def window_times(dim: int, size: int) -> dict[str, float]:
    """Seconds that the entropies of one window take, both ways, on one thread."""
    rng = np.random.default_rng(0)
    walk = rng.standard_normal((size, dim)).cumsum(0) * 1e-4 + rng.standard_normal(dim)
    walk = (walk / np.linalg.norm(walk, axis=1)[:, None]).astype(np.float32).astype(np.float64)
    walk /= np.linalg.norm(walk, axis=1)[:, None]
    return {"plain": plain_entropy(walk), "ours": our_entropy(walk)}


def really_run(seconds_scale: int) -> dict[str, object]:
    """The schedule at a hundredth of its length on the digits, really run both ways, with 200 log points."""
    steps = PAPER["steps"] // seconds_scale
    every, draws = steps // PAPER["log_points"], PAPER["gradients"] // seconds_scale
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        plain = pool.submit(_plain_run, steps, every, draws).result()
    replicas, workers = 8, os.cpu_count() or 1
    times = concurrently(workers, _engine_run, steps, every, max(6, draws // 2), replicas)
    ours = max(times) / (replicas * workers)
    print(f"really run, {steps} iterations: plain {plain:.1f} s, engine {ours:.2f} s: {plain / ours:.2f}x")
    return {"steps": steps, "plain_s": plain, "engine_s_per_run": ours, "speedup": plain / ours}


def _plain_run(steps: int, every: int, draws: int) -> float:
    torch.set_num_threads(1)  # faster than more of them, on networks this small
    start = time.perf_counter()
    loop, queue = PlainLoop("ConvNet", 2, load("digits")), []
    for step in range(1, steps + 1):
        loop.step()
        if step % 10 == 0:
            queue.append(torch.cat([p.detach().flatten() for p in loop.weights]).numpy())
        if len(queue) == 200:
            window = np.stack(queue).astype(np.float64)
            plain_entropy(window / np.linalg.norm(window, axis=1)[:, None])
            queue = []
        if step % every == 0:
            loop.gradients(draws)
            loop.tested()
    return time.perf_counter() - start


def _engine_run(steps: int, every: int, draws: int, replicas: int) -> float:
    measurement = Measurement(log_every=every, noise_draws=draws)
    base = {"steps": steps, "anneal": 0, "settle": 0, "measurement": measurement}
    specs = [
        TrainSpec(FixedELR(elr=1e-3, wd=1e-3), "ConvNet", 2, seed=i, **base)  # type: ignore[arg-type]
        for i in range(replicas)
    ]
    start = time.perf_counter()
    train_group(specs, load("digits"), execution=Execution(replicas))
    return time.perf_counter() - start


def sampling_errors() -> dict[str, object]:
    """How many points of 20 draws give a stationary mean of |E g|^2 the error that one of 4000 draws gives.

    The variance between points of a stationary run holds what the weights do between them, which more draws
    do not lower, and what the draws add.
    """
    torch.set_num_threads(1)
    data = load("digits")
    loop = PlainLoop("ConvNet", 2, data)
    loop.optimizer = torch.optim.SGD(loop.weights, lr=0.05, weight_decay=1e-2)
    for _ in range(6000):
        loop.step()

    def draw() -> list[torch.Tensor]:
        loop.backward()
        return [p.grad for p in loop.weights]  # type: ignore[misc]

    few, many = [], []
    for point in range(300):
        for _ in range(50):
            loop.step()
        norm = math.sqrt(sum(float(p.detach().double().square().sum()) for p in loop.weights))
        few.append(gradient_noise(draw, rtol=None, max_draws=FEW_DRAWS, norm=norm))
        if point % 30 == 0:
            many.append(gradient_noise(draw, rtol=None, max_draws=1000, norm=norm))
    # What the draws add is known from their own error; the rest is what the weights do between the points.
    total = variance(e.grad_sq for e in few)
    added = mean(e.grad_sq_se**2 for e in few)
    added_by_many = mean(e.grad_sq_se**2 for e in many) / 4  # 4000 draws instead of 1000
    needed = total / max(total - added + added_by_many, 1e-9 * total)
    print(
        f"|E g|^2 = {mean(e.grad_sq for e in few):.3g} in a stationary mean: variance between points "
        f"{total:.3g} with {FEW_DRAWS} draws, of which the draws add {added:.3g}: {needed:.2f} points of "
        f"{FEW_DRAWS} draws do what one of 4000 does"
    )
    return {
        "mean": mean(e.grad_sq for e in few),
        "variance_between_points_20_draws": total,
        "of_which_the_draws_add": added,
        "draws_add_with_4000": added_by_many,
        "points_of_20_for_one_of_4000": needed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="per measurement")
    parser.add_argument(
        "--shorter", type=int, default=100, help="how much shorter the run that is really run is"
    )
    parser.add_argument("--output", type=Path, help="write the results here as JSON")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of which the fastest counts")
    parser.add_argument("--sampling-again", action="store_true", help="keep the times that --output holds")
    options = parser.parse_args()
    workers = os.cpu_count() or 1
    if options.sampling_again:
        report = json.loads(options.output.read_text())
        whole_runs(report)
    else:
        report = {"environment": environment() | {"worker_environment": WORKER_ENVIRONMENT}}
        measure(report, options.seconds, options.shorter, options.rounds, workers)
        if options.output:  # the sampling takes minutes: what is timed is kept before
            options.output.write_text(json.dumps(report, indent=2) + "\n")
        whole_runs(report)
    if options.output:
        options.output.write_text(json.dumps(report, indent=2) + "\n")


def measure(report: dict[str, Any], seconds: float, shorter: int, rounds: int, workers: int) -> None:
    """Every part, into the report."""
    peak = peak_flops(workers)
    results = [compare(case, seconds, workers, rounds) for case in CASES]
    peak = max(peak, peak_flops(workers))  # again: what else the machine does only lowers it
    report["peak_gflops"] = peak / 1e9
    for result in results:
        shares(result, peak)
    report["results"] = results
    report["really_run"] = really_run(shorter)
    case = CASES[0]
    report["scaling_with_workers"] = {str(w): throughput(case, 8, w, seconds) for w in range(1, workers + 1)}
    print("replica-steps/s by workers (8 replicas each):", report["scaling_with_workers"])


def whole_runs(report: dict[str, Any]) -> None:
    """The sampling errors, and the whole runs that follow from them and the times."""
    report["sampling"] = sampling_errors()
    needed = float(report["sampling"]["points_of_20_for_one_of_4000"])
    dims = {"ConvNet(2) 1x8x8": (1530, 1000), "ConvNet(8) 3x32x32": (24408, 4000)}
    report["whole_runs"] = [
        whole_run(result, window_times(*dims[str(result["case"])]), needed, dims[str(result["case"])][1])
        for result in report["results"]
        if result["case"] in dims
    ]


if __name__ == "__main__":
    main()
