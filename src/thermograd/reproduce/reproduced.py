"""What running many setups gave: sweeps, claims, what was left out and why, and the first page."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thermograd.reproduce.choice import NotRun
from thermograd.reproduce.claims import Claim
from thermograd.reproduce.dry_run import DryRun

if TYPE_CHECKING:
    from thermograd.sweep import SweepSummary

__all__ = ["Reproduced"]


@dataclass(frozen=True)
class Reproduced:
    """What came out of several setups.

    Attributes
    ----------
    summaries
        What each sweep did, by setup, in order.
    claims
        By setup, and by family of setups.
    left_out
        Setups whose images are not on this machine, with the command that gets them.
    refused
        Setups that could not be run or analysed, and why.
    interrupted
        Whether the work was stopped; the same call goes on.
    report
        The first page; ``None`` if it was interrupted or a dry run.
    estimates
        Of a dry run.

    """

    summaries: dict[str, SweepSummary] = field(default_factory=dict)
    claims: dict[str, tuple[Claim, ...]] = field(default_factory=dict)
    left_out: tuple[NotRun, ...] = ()
    refused: tuple[NotRun, ...] = ()
    interrupted: bool = False
    report: Path | None = None
    estimates: tuple[DryRun, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 if every run of every setup whose images are here has a result and was analysed, else 1."""
        failed = any(summary.exit_code for summary in self.summaries.values())
        return int(self.interrupted or failed or bool(self.refused))

    def with_page(self, page: Path) -> Reproduced:
        """The same with its first page."""
        return replace(self, report=page)

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "summaries": {name: vars(summary) for name, summary in self.summaries.items()},
            "claims": {name: [one.to_dict() for one in found] for name, found in self.claims.items()},
            "left_out": [vars(one) for one in self.left_out],
            "refused": [vars(one) for one in self.refused],
            "interrupted": self.interrupted,
            "report": None if self.report is None else str(self.report),
            "estimates": [one.to_dict() for one in self.estimates],
        }

    def to_text(self) -> str:
        """For a terminal: what was run, a line for each claim, what was not run."""
        parts = [str(one) for one in self.estimates]
        for name in dict.fromkeys((*self.summaries, *self.claims)):
            summary = self.summaries.get(name)
            lines = [f"{name}: {summary}" if summary is not None else name]
            lines += [f"  {one.verdict:13} {one.claim}" for one in self.claims.get(name, ())]
            parts.append("\n".join(lines))
        # Setups that lack the same images have one and the same thing to say.
        reasons: dict[tuple[str, str], list[str]] = {}
        for one in (*self.left_out, *self.refused):
            reasons.setdefault((one.reason, one.command), []).append(one.setup)
        for (reason, command), names in reasons.items():
            parts.append(f"not run: {NotRun(', '.join(names), reason, command)}")
        if self.interrupted:
            parts.append("interrupted; the same command goes on")
        if self.report is not None:
            parts.append(f"report: {self.report}; all claims: {self.report.parent / 'claims.md'}")
        return "\n\n".join(parts)
