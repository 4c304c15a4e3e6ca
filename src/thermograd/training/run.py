"""The state of one running training: network, optimizer, generators, accumulators (needs torch)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from thermograd.data import ImageData
from thermograd.data.sampling import BatchSampler
from thermograd.entropy import DirectionQueue, diagnose, kozachenko_leonenko
from thermograd.nets import dimension, scale_invariant_parameters, set_norm, weight_norm
from thermograd.nets.registry import build
from thermograd.noise import gradient_noise
from thermograd.optim import for_protocol
from thermograd.protocol import FixedELR, FixedLR, FixedSphere
from thermograd.theory.radius import stationary_radius_elr, stationary_radius_lr
from thermograd.training.spec import TrainSpec

__all__ = ["Run"]

_INITIAL_DRAWS = 32


class Run:
    """One training under way: `advance` it from log point to log point.

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
        self._start_at(self._initial_radius())
        self.optimizer = for_protocol(spec.protocol, self.parameters)
        self.queue = DirectionQueue(spec.measurement.queue_size, self.dim, "float32")

    def _generator(self, stream: str) -> torch.Generator:
        return torch.Generator().manual_seed(self.spec.stream(stream))

    def _batches(self, stream: str) -> BatchSampler:
        return BatchSampler(len(self.images), self.spec.batch_size, self._generator(stream))

    # -- the radius at the start ----------------------------------------------------------------------------

    def _initial_radius(self) -> float | None:
        protocol = self.spec.protocol
        if isinstance(protocol, FixedSphere):
            return protocol.radius
        if self.spec.initial_radius is not None:
            return self.spec.initial_radius
        set_norm(self.model, 1.0)
        noise = gradient_noise(self._sample_gradient, rtol=None, max_draws=_INITIAL_DRAWS)
        return self._stationary_radius(noise.batch_grad_sq)

    def _start_at(self, radius: float | None) -> None:
        if radius is not None:
            set_norm(self.model, radius)

    def _stationary_radius(self, batch_grad_sq: float) -> float | None:
        protocol = self.spec.protocol
        if isinstance(protocol, FixedELR):
            versions = stationary_radius_elr(protocol.elr, protocol.wd, batch_grad_sq)
        else:
            assert isinstance(protocol, FixedLR)
            versions = stationary_radius_lr(protocol.lr, protocol.wd, batch_grad_sq)
        radius = float(versions.finite_step)
        return radius if math.isfinite(radius) else None

    @property
    def _thermalising(self) -> bool:
        return (
            not isinstance(self.spec.protocol, FixedSphere)
            and self.spec.initial_radius is None
            and self.step <= self.spec.thermalise
        )

    # -- walking --------------------------------------------------------------------------------------------

    def advance(self, to: int) -> dict[str, float] | None:
        """Train up to iteration `to` and measure there; None if the loss or the norm stopped being finite."""
        loss = self._train(to - self.step)
        means = self.optimizer.take_means()
        if not (math.isfinite(loss) and all(math.isfinite(value) for value in means.values())):
            return None
        self.step = to
        row = {"loss": loss, **means, **self._frozen_measurements(), **self._entropy()}
        row["tr_sigma"] = row["batch_grad_sq"] - row["grad_sq"]
        if self._thermalising:
            self._start_at(self._stationary_radius(means["batch_grad_sq"]))
        return row

    def _train(self, count: int) -> float:
        model, optimizer, every = self.model, self.optimizer, self.spec.measurement.queue_every
        total = torch.zeros((), dtype=torch.float64)
        for step in range(self.step + 1, self.step + count + 1):
            index = next(self.batches)
            loss = functional.cross_entropy(model(self.images[index]), self.labels[index])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach()
            if step % every == 0:
                weights = torch.cat([p.detach().flatten() for p in self.parameters])
                if not torch.isfinite(weights).all():
                    return math.nan
                self.queue.push(weights)
        return float(total) / count

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
        names = ("entropy_sphere", "entropy_autocorrelation_time", "entropy_effective_samples")
        if not self.queue.full:
            return dict.fromkeys(names, math.nan)
        window = self.queue.take_window()
        estimate = kozachenko_leonenko(window, manifold="sphere")
        honesty = diagnose(window, rng=self.projections)
        return dict(zip(names, (estimate.entropy, honesty.time_directions, honesty.n_effective), strict=True))
