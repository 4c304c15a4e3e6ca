"""The state of several trainings under way as one: network, optimizer, generators, accumulators."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thermograd.data import ImageData
from thermograd.data.sampling import BatchSampler
from thermograd.nets import scale_invariant_parameters, set_norm
from thermograd.nets.registry import build
from thermograd.nets.replicas import Replicas
from thermograd.noise import gradient_noise_each
from thermograd.optim.replicas import ReplicaSGD
from thermograd.protocol import FixedELR, FixedLR, FixedSphere
from thermograd.theory.radius import stationary_radius_elr, stationary_radius_lr
from thermograd.training.batches import ReplicaBatches
from thermograd.training.execution import Execution
from thermograd.training.measure import FrozenPoint, window_entropy
from thermograd.training.schedule import log_steps
from thermograd.training.spec import NUMERICS_VERSION, TrainSpec
from thermograd.training.walk import Walk
from thermograd.training.windows import Windows

__all__ = ["ReplicaRun"]

_INITIAL_DRAWS = 32
_ANNEAL_STAGES = 50
_SETTLE_STAGES = 4

_annealed: dict[tuple[object, ...], Tensor] = {}
"""Annealed weights of this process: one vector for each seed and network that it trained."""


class ReplicaRun:
    """Several runs under way: `prepare` them once, then `advance` them from log point to log point.

    No number of a run depends on the others: each has its streams, its row of the weights and its outcome.
    One whose loss or norm stops being finite is held where it is, and the others go on.

    Parameters
    ----------
    specs
        What to run: alike in all but protocol, seed and initial radius (`thermograd.training.groups`).
    images
        The data, already reduced to the specs' subset.
    execution
        Where, and how the network is computed.

    """

    def __init__(self, specs: Sequence[TrainSpec], images: ImageData, execution: Execution) -> None:
        self.specs = list(specs)
        self.execution = execution
        self.step = 0
        self.seconds = 0.0
        self.rows: list[dict[str, list[float]]] = []
        self.reasons = [""] * len(self.specs)
        """Of every run, why it diverged; empty while it goes on."""
        self._data = images
        self._device = torch.device(execution.device)
        common = self.specs[0]
        self.log_steps = log_steps(common.steps, common.measurement)
        networks = [self._build(spec) for spec in self.specs]
        check = slice(0, min(common.batch_size, len(images.train_images)))
        sample = torch.from_numpy(images.train_images[check]), torch.from_numpy(images.train_labels[check])
        scale_invariant_parameters(networks[0], sample).raise_if_not_fully()
        self.network = Replicas(networks, kernel=execution.kernel, precision=common.precision).to(
            self._device
        )
        self.dim = self.network.dim
        self._images, self._labels = self._on_device(self.network, images.train_images, images.train_labels)
        self._batches = self._streams("batches")
        self._noise_batches = [self._sampler(spec, "noise") for spec in self.specs]
        self._projections = [np.random.default_rng(spec.stream("projections")) for spec in self.specs]
        self._optimizer = ReplicaSGD([spec.protocol for spec in self.specs], self.network.weights)
        self._walk = Walk(self.network, self._optimizer, self._batches, self._images, self._labels)
        size = common.measurement.queue_size
        self.windows = Windows(len(self.specs), size, self.dim, self._device)
        test = self._on_device(self.network, images.test_images, images.test_labels)
        self._frozen = FrozenPoint(self.network, (self._images, self._labels), test, common.batch_size)

    def _build(self, spec: TrainSpec) -> torch.nn.Module:
        return build(
            spec.architecture,
            width=spec.width,
            in_channels=self._data.train_images.shape[1],
            num_classes=self._data.num_classes,
            generator=torch.Generator().manual_seed(spec.stream("initial")),
        )

    def _on_device(
        self, network: Replicas, images: NDArray[Any], labels: NDArray[Any]
    ) -> tuple[Tensor, Tensor]:
        prepared = network.prepare(torch.from_numpy(images).to(self._device))
        return prepared, torch.from_numpy(labels).to(self._device)

    def _streams(self, name: str, specs: Sequence[TrainSpec] | None = None) -> ReplicaBatches:
        specs = self.specs if specs is None else specs
        seeds = [spec.stream(name) for spec in specs]
        return ReplicaBatches(len(self._labels), specs[0].batch_size, seeds, self._device)

    def _sampler(self, spec: TrainSpec, name: str) -> BatchSampler:
        generator = torch.Generator().manual_seed(spec.stream(name))
        return BatchSampler(len(self._labels), spec.batch_size, generator)

    # -- before the first iteration -------------------------------------------------------------------------

    def prepare(self, on_progress: Callable[[int], None]) -> None:
        """Anneal and settle if asked to, and give the weights the norm that each run starts with."""
        common = self.specs[0]
        rows = self.network.flat() if not common.anneal else self._annealed(on_progress)
        self._scale(rows, [1.0] * len(self.specs))
        self._end_those_not_finite("in annealing")
        mean_squares = self._settle(on_progress)
        self._end_those_not_finite("in annealing")
        radii = []
        for spec, mean_square in zip(self.specs, mean_squares, strict=True):
            protocol = spec.protocol
            radius = protocol.radius if isinstance(protocol, FixedSphere) else spec.initial_radius
            radii.append(_stationary_radius(spec, mean_square) if radius is None else radius)
        self._scale(self.network.flat(), radii)

    def _scale(self, rows: Tensor, radii: Sequence[float]) -> None:
        wide = rows.double()
        norms = torch.linalg.vector_norm(wide, dim=1, keepdim=True)
        self.network.load_flat((wide / norms * wide.new_tensor(radii)[:, None]).to(rows.dtype))

    def _annealed(self, on_progress: Callable[[int], None]) -> Tensor:
        """Projected SGD on the unit sphere, its ELR falling geometrically; once for each seed.

        Each seed anneals alone, so that its weights do not depend on which runs share this network.
        """
        found: dict[int, Tensor] = {}
        for spec in self.specs:
            if spec.seed not in found:
                found[spec.seed] = self._annealed_alone(spec, on_progress)
        return torch.stack([found[spec.seed] for spec in self.specs]).to(self._device)

    def _annealed_alone(self, spec: TrainSpec, on_progress: Callable[[int], None]) -> Tensor:
        # What the result depends on; a worker that does several runs of a grid anneals once.
        network = (spec.architecture, spec.width, spec.batch_size, spec.precision, spec.seed)
        place = (self._data.sha256, self._device, len(self._labels))
        key = (*network, *place, spec.anneal, spec.anneal_from, spec.anneal_to)
        if key not in _annealed:
            model = self._build(spec)
            set_norm(model, 1.0)
            alone = Replicas([model], precision=spec.precision).to(self._device)
            images, labels = self._on_device(alone, self._data.train_images, self._data.train_labels)
            optimizer = ReplicaSGD([FixedSphere(elr=spec.anneal_from, radius=1.0)], alone.weights)
            walk = Walk(alone, optimizer, self._streams("anneal", [spec]), images, labels)
            stages = min(_ANNEAL_STAGES, spec.anneal)
            for stage in range(stages):
                fraction = (stage + 1) / stages
                optimizer.set_rates([spec.anneal_from ** (1 - fraction) * spec.anneal_to**fraction])
                done, until = spec.anneal * stage // stages, spec.anneal * (stage + 1) // stages
                walk.steps(until - done)
                on_progress(until)
            _annealed[key] = alone.flat()[0]
        return _annealed[key]

    def _settle(self, on_progress: Callable[[int], None]) -> list[float]:
        """The protocols' own ELRs on the unit sphere for a while; the mean squares of the gradients.

        At fixed LR that ELR follows from the stationary radius, and so from the gradients: it is worked out
        anew at each stage.
        """
        common, count = self.specs[0], len(self.specs)
        draws = gradient_noise_each(self._sample, [1.0] * count, rtol=None, max_draws=_INITIAL_DRAWS)
        mean_squares = [estimate.batch_grad_sq for estimate in draws]
        sphere = ReplicaSGD([FixedSphere(elr=1.0, radius=1.0)] * count, self.network.weights)
        walk = Walk(self.network, sphere, self._batches, self._images, self._labels)
        stages = min(_SETTLE_STAGES, common.settle)
        for stage in range(stages):
            radii = map(_stationary_radius, self.specs, mean_squares)
            sphere.set_rates(
                [spec.protocol.effective_lr(radius) for spec, radius in zip(self.specs, radii, strict=True)]
            )
            done, until = common.settle * stage // stages, common.settle * (stage + 1) // stages
            walk.steps(until - done)
            measured = sphere.take_means()["batch_grad_sq"]
            mean_squares = [
                new if math.isfinite(new) else old for new, old in zip(measured, mean_squares, strict=True)
            ]
            on_progress(common.anneal + until)
        return mean_squares

    def _sample(self, active: list[bool]) -> Sequence[Tensor]:
        return self._frozen.gradients(self._noise_batches, active)

    # -- walking --------------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do: all log points are there, or no run goes on."""
        return len(self.rows) == len(self.log_steps) or all(self.reasons)

    def advance(self, on_progress: Callable[[int], None]) -> None:
        """Train up to the next log point and measure there.

        `on_progress` is called at every direction that goes into the queue, where the state is whole.
        """
        point = self.log_steps[len(self.rows)]
        every = self.specs[0].measurement.queue_every
        before = self.specs[0].anneal + self.specs[0].settle
        since = self.log_steps[len(self.rows) - 1] if self.rows else 0
        while self.step < point:
            stride = min(every - self.step % every, point - self.step)
            self._walk.steps(stride)
            self.step += stride
            if self.step % every == 0:
                self.windows.push(self.network.flat())
            on_progress(before + self.step)
        means = self._optimizer.take_means()
        self._end_those_not_finite(f"between iterations {since} and {point}", means)
        self.rows.append(self._row(means))

    def time_steps(self, count: int) -> float:
        """Seconds that so many steps take; the state is of no use afterwards."""
        began = time.perf_counter()
        self._walk.steps(count)
        self._optimizer.take_means()  # waits for the device
        return time.perf_counter() - began

    def _end_those_not_finite(self, when: str, means: dict[str, list[float]] | None = None) -> None:
        """Hold the runs whose weights or means are no longer finite, with a finite weight vector."""
        norms = self._norms()
        for replica, norm in enumerate(norms):
            seen = (
                [norm] if means is None else [norm, means["loss"][replica], means["batch_grad_sq"][replica]]
            )
            if self.reasons[replica] or (norm > 0 and all(map(math.isfinite, seen))):
                continue
            self.reasons[replica] = f"the loss or the norm stopped being finite {when}"
            self._hold(replica)

    def _hold(self, replica: int) -> None:
        """Any finite weights will do: what is measured on them is not kept."""
        self._optimizer.hold(replica)
        rows = self.network.flat()
        rows[replica] = 1.0 / math.sqrt(self.dim)
        self.network.load_flat(rows)

    def _norms(self) -> list[float]:
        norms: list[float] = torch.linalg.vector_norm(self.network.flat().double(), dim=1).tolist()
        return norms

    # -- measuring ------------------------------------------------------------------------------------------

    def _row(self, means: dict[str, list[float]]) -> dict[str, list[float]]:
        measurement = self.specs[0].measurement
        rtol = measurement.noise_rtol
        self._frozen.reset()
        draws = gradient_noise_each(
            self._sample,
            self._norms(),
            rtol=rtol,
            min_draws=measurement.noise_draws,
            max_draws=measurement.noise_draws if rtol is None else measurement.noise_max_draws,
        )
        row = dict(means)
        row["grad_sq"] = [estimate.grad_sq for estimate in draws]
        row["point_grad_sq_error"] = [estimate.grad_sq_se for estimate in draws]
        row["noise_draws"] = [float(estimate.draws) for estimate in draws]
        row["point_grad_sq"] = [estimate.batch_grad_sq for estimate in draws]
        row["tr_sigma"] = [
            mean - signal for mean, signal in zip(row["batch_grad_sq"], row["grad_sq"], strict=True)
        ]
        row |= self._frozen.accuracies()
        row |= self._entropies()
        return {
            name: [math.nan if reason else value for value, reason in zip(values, self.reasons, strict=True)]
            for name, values in row.items()
        }

    def _entropies(self) -> dict[str, list[float]]:
        neighbours = self.specs[0].measurement.graph_neighbours
        if not self.windows.full:
            each = [window_entropy(None, None, neighbours)] * len(self.specs)
        else:
            each = [
                window_entropy(None if reason else self.windows.directions(replica), rng, neighbours)
                for replica, (reason, rng) in enumerate(zip(self.reasons, self._projections, strict=True))
            ]
            self.windows.reset()
        return {name: [values[name] for values in each] for name in each[0]}

    # -- keeping the state ----------------------------------------------------------------------------------

    @property
    def settings(self) -> dict[str, object]:
        """What a saved state must agree with."""
        return {
            "runs": [spec.key(self._data.sha256) for spec in self.specs],
            "kernel": self.network.kernel,
            "device": self._device.type,
            "numerics_version": NUMERICS_VERSION,
            "torch_version": torch.__version__,
        }

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything that is needed to go on to the same bits."""
        words = {
            "reasons": self.reasons,
            "projections": [rng.bit_generator.state for rng in self._projections],
            "noise_used": [sampler.state_dict()["used"] for sampler in self._noise_batches],
        }
        names = list(self.rows[0]) if self.rows else []
        return {
            "words": np.array(json.dumps(words)),
            "progress": np.array([self.step, self.seconds]),
            "weights": self.network.flat().cpu().numpy(),
            "sums": self._optimizer.sums.cpu().numpy(),
            "batches": self._batches.state(),
            "noise": np.stack([s.state_dict()["generator"].numpy() for s in self._noise_batches]),
            "row_names": np.array(json.dumps(names)),
            "rows": np.array([[row[name] for name in names] for row in self.rows]),
            **self.windows.state(),
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on where `state` was taken."""
        words = json.loads(str(state["words"]))
        names = json.loads(str(state["row_names"]))
        self.rows = [dict(zip(names, values, strict=True)) for values in state["rows"].tolist()]
        self.step, self.seconds = int(state["progress"][0]), float(state["progress"][1])
        self.network.load_flat(torch.from_numpy(state["weights"]).to(self._device))
        self.reasons = words["reasons"]
        for replica, reason in enumerate(self.reasons):
            if reason:
                self._optimizer.hold(replica)
        self._optimizer.sums.copy_(torch.from_numpy(state["sums"]))
        self._batches.restore(state["batches"])
        for sampler, generator, used in zip(
            self._noise_batches, state["noise"], words["noise_used"], strict=True
        ):
            sampler.load_state_dict(
                {
                    "num_images": sampler.num_images,
                    "batch_size": sampler.batch_size,
                    "generator": torch.from_numpy(generator.copy()),
                    "used": used,
                }
            )
        for rng, saved in zip(self._projections, words["projections"], strict=True):
            rng.bit_generator.state = saved
        self.windows.restore(state)


def _stationary_radius(spec: TrainSpec, mean_square: float) -> float:
    """Where the norm will settle with gradients of this mean square; 1 where the step is too long."""
    protocol = spec.protocol
    if isinstance(protocol, FixedELR):
        versions = stationary_radius_elr(protocol.elr, protocol.wd, mean_square)
    elif isinstance(protocol, FixedLR):
        versions = stationary_radius_lr(protocol.lr, protocol.wd, mean_square)
    else:
        return 1.0
    radius = float(versions.finite_step)
    return radius if math.isfinite(radius) and radius > 0 else 1.0
