"""The state of one running training: network, optimizer, generators, accumulators (needs torch)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from thermograd.data import ImageData
from thermograd.data.sampling import BatchSampler
from thermograd.entropy import DirectionQueue, diagnose, kozachenko_leonenko
from thermograd.errors import InputError
from thermograd.nets import dimension, scale_invariant_parameters, set_norm, weight_norm
from thermograd.nets.registry import build
from thermograd.noise import gradient_noise
from thermograd.optim import SphereSGD, for_protocol
from thermograd.optim.base import ProtocolSGD
from thermograd.protocol import FixedELR, FixedLR, FixedSphere
from thermograd.theory.radius import stationary_radius_elr, stationary_radius_lr
from thermograd.training.spec import TrainSpec

__all__ = ["Run"]

_INITIAL_DRAWS = 32
_ANNEAL_STAGES = 50
_SETTLE_STAGES = 4

_annealed: dict[tuple[object, ...], list[Tensor]] = {}
"""Annealed weights of this process, a few of them at most: one for each seed and network of a sweep."""


class Run:
    """One training under way: `prepare` it once, then `advance` it from log point to log point.

    Parameters
    ----------
    spec
        What to run.
    images
        The data, already reduced to the spec's subset.

    """

    def __init__(self, spec: TrainSpec, images: ImageData) -> None:
        self.spec = spec
        self.step = 0
        self.data_sha256 = images.sha256
        self.images = torch.from_numpy(images.train_images)
        self.labels = torch.from_numpy(images.train_labels)
        self.test_images = torch.from_numpy(images.test_images)
        self.test_labels = torch.from_numpy(images.test_labels)
        self.model = build(
            spec.architecture,
            width=spec.width,
            in_channels=self.images.shape[1],
            num_classes=images.num_classes,
            generator=self._generator("initial"),
        )
        self.batches = self._batches("batches")
        self.noise_batches = self._batches("noise")
        self.projections = np.random.default_rng(spec.stream("projections"))
        check = slice(0, min(spec.batch_size, len(self.images)))
        scale_invariant_parameters(self.model, (self.images[check], self.labels[check])).raise_if_not_fully()
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.dim = dimension(self.model)
        self.optimizer = for_protocol(spec.protocol, self.parameters)
        self.queue = DirectionQueue(spec.measurement.queue_size, self.dim, "float32")

    def _generator(self, stream: str) -> torch.Generator:
        return torch.Generator().manual_seed(self.spec.stream(stream))

    def _batches(self, stream: str) -> BatchSampler:
        return BatchSampler(len(self.images), self.spec.batch_size, self._generator(stream))

    # -- before the first iteration -------------------------------------------------------------------------

    def prepare(self, on_progress: Callable[[int], None]) -> bool:
        """Anneal and settle if asked to, and give the weights the norm that the run starts with.

        Returns False if the weights stopped being finite on the way.
        """
        set_norm(self.model, 1.0)
        if self.spec.anneal:
            self._anneal(on_progress)
        if not math.isfinite(weight_norm(self.model)):
            return False
        mean_square = self._settle(on_progress)
        if not math.isfinite(weight_norm(self.model)):
            return False
        protocol = self.spec.protocol
        radius = protocol.radius if isinstance(protocol, FixedSphere) else self.spec.initial_radius
        set_norm(self.model, self._stationary_radius(mean_square) if radius is None else radius)
        return True

    def _anneal(self, on_progress: Callable[[int], None]) -> None:
        """Projected SGD on the unit sphere, its ELR falling geometrically; the same for a whole grid."""
        spec = self.spec
        # What the result depends on; a worker that does several runs of a grid anneals once.
        network = (spec.architecture, spec.width, spec.batch_size, spec.seed, self.data_sha256)
        key = (*network, spec.anneal, spec.anneal_from, spec.anneal_to)
        if key not in _annealed:
            optimizer = SphereSGD(self.parameters, elr=spec.anneal_from)
            batches = self._batches("anneal")
            stages = min(_ANNEAL_STAGES, spec.anneal)
            for stage in range(stages):
                fraction = (stage + 1) / stages
                optimizer.param_groups[0]["lr"] = (
                    spec.anneal_from ** (1 - fraction) * spec.anneal_to**fraction
                )
                done, until = spec.anneal * stage // stages, spec.anneal * (stage + 1) // stages
                self._walk(optimizer, batches, until - done)
                on_progress(until)
            _annealed[key] = [p.detach().clone() for p in self.parameters]
        with torch.no_grad():
            for p, value in zip(self.parameters, _annealed[key], strict=True):
                p.copy_(value)

    def _settle(self, on_progress: Callable[[int], None]) -> float:
        """The protocol's own ELR on the unit sphere for a while; returns the mean square of the gradients.

        At fixed LR that ELR follows from the stationary radius, and so from the gradients: it is worked out
        anew at each stage.
        """
        draws = gradient_noise(self._sample_gradient, rtol=None, max_draws=_INITIAL_DRAWS)
        mean_square = draws.batch_grad_sq
        optimizer = SphereSGD(self.parameters, elr=1.0)
        stages = min(_SETTLE_STAGES, self.spec.settle)
        for stage in range(stages):
            elr = self.spec.protocol.effective_lr(self._stationary_radius(mean_square))
            optimizer.param_groups[0]["lr"] = elr
            done, until = self.spec.settle * stage // stages, self.spec.settle * (stage + 1) // stages
            self._walk(optimizer, self.batches, until - done)
            measured = optimizer.take_means()["batch_grad_sq"]
            mean_square = measured if math.isfinite(measured) else mean_square
            on_progress(self.spec.anneal + until)
        return mean_square

    def _stationary_radius(self, mean_square: float) -> float:
        """Where the norm will settle with gradients of this mean square; 1 where the step is too long."""
        protocol = self.spec.protocol
        if isinstance(protocol, FixedELR):
            versions = stationary_radius_elr(protocol.elr, protocol.wd, mean_square)
        elif isinstance(protocol, FixedLR):
            versions = stationary_radius_lr(protocol.lr, protocol.wd, mean_square)
        else:
            return 1.0
        radius = float(versions.finite_step)
        return radius if math.isfinite(radius) and radius > 0 else 1.0

    # -- walking --------------------------------------------------------------------------------------------

    def advance(self, to: int, on_progress: Callable[[int], None]) -> dict[str, float] | None:
        """Train up to iteration `to` and measure there; None if the loss or the norm stopped being finite."""
        loss = self._train(to - self.step, on_progress)
        means = self.optimizer.take_means()
        if not 0 < weight_norm(self.model) < math.inf:
            return None
        if not (math.isfinite(loss) and all(math.isfinite(value) for value in means.values())):
            return None
        self.step = to
        row = {"loss": loss, **means, **self._frozen_measurements(), **self._entropy()}
        row["tr_sigma"] = row["batch_grad_sq"] - row["grad_sq"]
        return row

    def _train(self, count: int, on_progress: Callable[[int], None]) -> float:
        """So many iterations of the protocol, directions going into the queue; the mean minibatch loss."""
        every = self.spec.measurement.queue_every
        total, done = 0.0, 0
        while done < count:
            stride = min(every - (self.step + done) % every, count - done)
            total += self._walk(self.optimizer, self.batches, stride)
            done += stride
            if (self.step + done) % every == 0:
                weights = torch.cat([p.detach().flatten() for p in self.parameters])
                if not (torch.isfinite(weights).all() and weights.any()):
                    return math.nan
                self.queue.push(weights)
                on_progress(self.spec.total_steps - self.spec.steps + self.step + done)
        return total / count

    def _walk(self, optimizer: ProtocolSGD, batches: BatchSampler, count: int) -> float:
        """So many steps of an optimizer on fresh minibatches; the sum of their losses."""
        total = torch.zeros((), dtype=torch.float64)
        for _ in range(count):
            index = next(batches)
            loss = functional.cross_entropy(self.model(self.images[index]), self.labels[index])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach()
        return float(total)

    # -- measuring ------------------------------------------------------------------------------------------

    def _sample_gradient(self) -> tuple[Tensor, ...]:
        index = next(self.noise_batches)
        logits = self.model(self.images[index])
        self._correct += logits.detach().argmax(1).eq(self.labels[index]).sum()
        return torch.autograd.grad(functional.cross_entropy(logits, self.labels[index]), self.parameters)

    _correct: Tensor = torch.zeros((), dtype=torch.int64)

    def _frozen_measurements(self) -> dict[str, float]:
        draws = self.spec.measurement.noise_draws
        self._correct = torch.zeros((), dtype=torch.int64)
        noise = gradient_noise(
            self._sample_gradient, rtol=None, min_draws=draws, max_draws=draws, norm=weight_norm(self.model)
        )
        correct = float(self._correct) / (draws * self.spec.batch_size)
        test_loss, test_accuracy = self._test()
        return {
            "grad_sq": noise.grad_sq,
            "point_grad_sq": noise.batch_grad_sq,
            "train_accuracy": correct,
            "test_loss": test_loss,
            "test_accuracy": test_accuracy,
        }

    @torch.no_grad()
    def _test(self) -> tuple[float, float]:
        # BatchNorm uses batch statistics: chunks near the training batch size keep the network the same one.
        chunks = max(1, round(len(self.test_images) / self.spec.batch_size))
        logits = torch.cat([self.model(chunk) for chunk in self.test_images.chunk(chunks)])
        accuracy = logits.argmax(1).eq(self.test_labels).double().mean()
        return float(functional.cross_entropy(logits, self.test_labels)), float(accuracy)

    def _entropy(self) -> dict[str, float]:
        names = (
            "entropy_sphere",
            "entropy_sphere_chart",
            "entropy_autocorrelation_time",
            "entropy_effective_samples",
        )
        if not self.queue.full:
            return dict.fromkeys(names, math.nan)
        window = self.queue.take_window()
        try:
            geodesic = kozachenko_leonenko(window, manifold="geodesic").entropy
            chart = kozachenko_leonenko(window, manifold="sphere").entropy
            honesty = diagnose(window, rng=self.projections)
        except InputError:  # weights that no longer move have no entropy, and are no reason to lose the run
            return dict.fromkeys(names, math.nan)
        values = (geodesic, chart, honesty.time_directions, honesty.n_effective)
        # Coinciding points make it minus infinity, which would make every mean so.
        return {n: v if math.isfinite(v) else math.nan for n, v in zip(names, values, strict=True)}
