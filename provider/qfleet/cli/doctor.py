# SPDX-License-Identifier: Apache-2.0
"""The command that checks a fleet."""

from __future__ import annotations

import dataclasses

import click

from qfleet.cli.group import FAILED, connect, json_option, url_option
from qfleet.cli.terminal import echo, write_json

__all__ = ["doctor"]


@click.command()
@url_option
@json_option
@click.pass_context
def doctor(ctx: click.Context, url: str | None, as_json: bool) -> None:
    """Check a fleet: its Redis, its workers, its queue and its jobs.

    It changes nothing, and prints a remedy for each problem. The exit code is 1 if there is a problem.

    \b
    Example:
      qfleet doctor
      qfleet doctor --url redis://broker:6379/0
    """
    findings = connect(url).examine()
    problems = [finding for finding in findings if finding.verdict == "problem"]
    if as_json:
        write_json({"problems": len(problems), "checks": [dataclasses.asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            echo(f"{finding.verdict:<8} {finding.check}: {finding.text}")
            if finding.remedy:
                echo(f"{'':<8} -> {finding.remedy}")
    if problems:
        ctx.exit(FAILED)
