"""Minibatches drawn independently with replacement: the sampling of both papers, without epochs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from thermograd.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["BatchSampler"]


class BatchSampler:
    """Endless minibatches of indices, each index uniform and independent of all others (IG appendix F).

    ``P(index = i) = 1/N`` for each of the ``B`` places of each step, so that minibatch gradients of
    successive steps are independent given the weights. (An epoch without replacement makes them
    anticorrelated, which lowers the noise that the radius and temperature laws speak of.)

    Indices are drawn many steps at a time, because a draw costs more than its numbers; the sequence does
    not depend on how many, nor on how `draw` and iteration are mixed. It is drawn on the CPU, so that it is
    the same on every device.

    Parameters
    ----------
    num_images
        N, the number of images to draw from, at least 1.
    batch_size
        B, at least 1.
    generator
        The CPU generator to draw from. It runs ahead by up to a block: leave it to this sampler alone.
    block
        For how many steps to draw at once, at least 1.
    device
        Where the indices are put.

    Raises
    ------
    InputError
        If a number is below 1 or the generator is not a CPU generator.

    Examples
    --------
    >>> import torch
    >>> batches = BatchSampler(1437, 128, torch.Generator().manual_seed(0))
    >>> next(batches).shape, batches.draw(10).shape
    (torch.Size([128]), torch.Size([10, 128]))

    """

    def __init__(
        self,
        num_images: int,
        batch_size: int,
        generator: torch.Generator,
        *,
        block: int = 256,
        device: str | torch.device = "cpu",
    ) -> None:
        for name, value in (("num_images", num_images), ("batch_size", batch_size), ("block", block)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"BatchSampler: {name} is {value!r}; expected an integer of at least 1")
        if generator.device.type != "cpu":
            raise InputError(
                f"BatchSampler: generator is on {generator.device}; expected a CPU generator "
                f"(device says where the indices are put)"
            )
        self.num_images = num_images
        self.batch_size = batch_size
        self._generator = generator
        self._block = block
        self._device = device
        self._start = generator.get_state()
        """The generator's state when the present block was drawn, and how far that block is used up."""
        self._used = 0
        self._rows: list[torch.Tensor] = []

    def __iter__(self) -> Iterator[torch.Tensor]:
        return self

    def __next__(self) -> torch.Tensor:
        """The indices of the next minibatch, int64, shape (B,)."""
        if self._used == len(self._rows):
            self._refill()
        row = self._rows[self._used]
        self._used += 1
        return row

    def draw(self, steps: int) -> torch.Tensor:
        """The indices of the next ``steps`` minibatches at once, int64, shape (steps, B).

        Raises
        ------
        InputError
            If ``steps`` is below 1.

        """
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise InputError(f"BatchSampler.draw: steps is {steps!r}; expected an integer of at least 1")
        import torch

        return torch.stack([next(self) for _ in range(steps)])

    def state_dict(self) -> dict[str, Any]:
        """Where the sequence stands: loaded into another sampler, that one goes on with the same batches."""
        return {
            "num_images": self.num_images,
            "batch_size": self.batch_size,
            "generator": self._start,
            "used": self._used,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another sampler stood; the block sizes may differ.

        Raises
        ------
        InputError
            If the other one drew from another number of images or in batches of another size.

        """
        for name in ("num_images", "batch_size"):
            if state[name] != getattr(self, name):
                raise InputError(
                    f"BatchSampler: saved {name} is {state[name]}; expected {getattr(self, name)}"
                )
        self._generator.set_state(state["generator"])
        # What the other one had used of its block is drawn again and passed over; its rest comes next.
        self._refill(max(self._block, state["used"] + 1))
        self._used = state["used"]

    def _refill(self, steps: int | None = None) -> None:
        import torch

        self._start = self._generator.get_state()
        shape = (steps or self._block, self.batch_size)
        indices = torch.randint(self.num_images, shape, generator=self._generator)
        self._rows = list(indices.to(self._device).unbind(0))
        self._used = 0
