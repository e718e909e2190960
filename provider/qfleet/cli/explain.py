# SPDX-License-Identifier: Apache-2.0
"""The command that tells which methods can run circuit files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from qfleet.cli import interrupts
from qfleet.cli.group import files_argument, json_option, noise_option
from qfleet.cli.terminal import echo, write_json

__all__ = ["explain"]


@click.command()
@files_argument
@click.option("--shots", type=int, help="Number of shots of each circuit. Default: 1024.")
@click.option("--method", help="The method that would be asked for. Default: automatic.")
@noise_option
@json_option
def explain(
    files: tuple[Path, ...], shots: int | None, method: str | None, noise_name: str | None, as_json: bool
) -> None:
    """Tell which methods can run circuits.

    The circuits are those of FILE... Nothing is run, and no fleet is needed. For each method there is the predicted
    time of one thread with the predicted memory, or the reason why it can't run the circuit; and the method that
    'qfleet run' takes.

    \b
    Example:
      qfleet explain surface_code.qasm --shots 100000
      qfleet explain ghz.qasm --noise fake_manila --json
    """
    interrupts.say("interrupted")
    from qfleet.cli.circuit_files import read_circuit_files
    from qfleet.cli.noise_source import read_noise
    from qfleet.options import RunOptions, check_option
    from qfleet.submission.explanation import explain as explanation
    from qfleet.wire.messages.request import Output

    options: dict[str, Any] = {"shots": shots, "method": method}
    circuits = read_circuit_files(files)
    if noise_name is not None:
        noise = read_noise(noise_name)
        circuits, options["noise_model"] = noise.prepare(circuits), noise.model
    given: dict[str, Any] = {name: check_option(name, value) for name, value in options.items() if value is not None}
    output = Output.UNITARY if given.get("method") == "unitary" else Output.COUNTS
    found = [explanation(circuit, RunOptions(**given), output) for circuit in circuits]
    if as_json:
        write_json({"circuits": [each.to_dict() for each in found]})
    else:
        echo(*"\n\n".join(map(repr, found)).split("\n"))
