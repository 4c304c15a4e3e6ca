"""The table of everything a dataset may hold: names, units, meaning and symbol."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OUTCOMES", "STATUSES", "TEXT", "VARIABLES", "Variable"]


@dataclass(frozen=True)
class Variable:
    """One observable of the dataset.

    Attributes
    ----------
    units
        ``1`` for a pure number, ``nats`` for entropies, ``iterations`` for times, ``samples``, ``weights``
        for what scales with the norm of the weights.
    long_name
        What it is, in words. Gradients are always those on the unit sphere.
    symbol
        How the papers write it, as mathtext; empty where they have no letter for it.
    derived
        Whether :func:`thermograd.states.stationary` computes it: no trace holds it.

    """

    units: str
    long_name: str
    symbol: str = ""
    derived: bool = False

    @property
    def attrs(self) -> dict[str, str]:
        """The xarray attributes of this variable."""
        attrs = {"units": self.units, "long_name": self.long_name}
        return attrs | ({"symbol": self.symbol} if self.symbol else {})


VARIABLES: dict[str, Variable] = {
    "loss": Variable("1", "training loss, the internal energy", "$U$"),
    "train_accuracy": Variable("1", "accuracy on training minibatches"),
    "test_loss": Variable("1", "loss on the test set"),
    "test_accuracy": Variable("1", "accuracy on the test set"),
    "norm": Variable("weights", "norm of the scale-invariant weights", "$r$"),
    "batch_grad_sq": Variable("1", "mean squared norm of the minibatch gradient", r"$E|g|^2$"),
    "point_grad_sq": Variable(
        "1", "mean squared norm of the minibatch gradient at the frozen weights of the log point"
    ),
    "point_grad_sq_error": Variable("1", "standard error of grad_sq at the log point, from its own draws"),
    "noise_draws": Variable("1", "minibatch gradients drawn at the frozen weights of the log point"),
    "grad_sq": Variable("1", "squared norm of the mean gradient, unbiased", r"$|\nabla L|^2$"),
    "tr_sigma": Variable("1", "trace of the gradient noise covariance", r"$\mathrm{Tr}\,\Sigma$"),
    "full_grad_norm": Variable("1", "norm of the full gradient", r"$|\nabla L|$"),
    "mean_batch_grad_norm": Variable("1", "mean norm of the minibatch gradient", r"$E|g|$"),
    "effective_wd": Variable("1", "weight decay equivalent to the projection", r"$\lambda_\mathrm{eff}$"),
    "entropy_sphere": Variable("nats", "differential entropy of the direction", r"$S_\mathrm{sphere}$"),
    "entropy_sphere_chart": Variable("nats", "entropy_sphere as read in the papers' chart of the sphere"),
    "entropy_graph": Variable(
        "nats", "entropy of the direction up to a constant, by the graph of nearest neighbours", r"$S_k$"
    ),
    "entropy_autocorrelation_time": Variable("samples", "autocorrelation time of the entropy's sample"),
    "entropy_effective_samples": Variable(
        "samples", "independent samples that the entropy's sample is worth"
    ),
    "entropy_sphere_spread": Variable(
        "nats", "standard deviation of entropy_sphere between sample windows", derived=True
    ),
    "entropy_sphere_windows": Variable("1", "number of sample windows behind entropy_sphere", derived=True),
    "log_points": Variable("1", "number of log points averaged over", derived=True),
    "volume": Variable("weights^2", "half the squared norm", "$V$", derived=True),
    "pressure": Variable("1", "weight decay, measured on a fixed sphere", "$p$", derived=True),
    "temperature": Variable("1", "temperature from the gradient noise", "$T$", derived=True),
    "sigma2": Variable("1", "gradient noise variance per direction", r"$\sigma^2$", derived=True),
    "entropy": Variable("nats", "entropy of the weights", "$S$", derived=True),
    "entropy_chart": Variable("nats", "entropy as read in the papers' chart of the sphere", derived=True),
    "snr": Variable("1", "signal-to-noise ratio of the minibatch gradient", "SNR", derived=True),
    "effective_lr": Variable("1", "effective learning rate", r"$\eta_\mathrm{eff}$", derived=True),
    "compressibility": Variable(
        "1", "compressibility factor p V / (R T), 1 for an ideal gas", "$Z$", derived=True
    ),
    "relaxation_steps": Variable("iterations", "relaxation time of the norm", derived=True),
}
"""Every numeric variable by name. In states each may have a companion ``<name>_se``, its standard error."""

TEXT: dict[str, tuple[str, ...]] = {
    "outcome": ("trace",),
    "outcome_reason": ("trace",),
    "status": ("states",),
    "status_reason": ("states",),
    "run_id": ("trace", "states"),
}
"""The text variables, one entry a grid point, and the kinds of dataset that hold them."""

OUTCOMES = ("done", "diverged", "failed", "missing")
"""How a run ended."""

STATUSES = ("equilibrium", "converging", "not-stationary", "diverged", "failed")
"""What the end of a run is worth."""
