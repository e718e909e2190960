# SPDX-License-Identifier: Apache-2.0
"""What every command shares: exit codes, how errors are told, the options --url and --json.

Exit codes: 0 done; 1 failed; 2 the command line has to change (an unknown option, a wrong value, a file or a backend
that isn't there); 130 interrupted with Ctrl-C.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

if TYPE_CHECKING:
    from qfleet import FleetProvider

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "FleetGroup",
    "connect",
    "interrupt_on_terminate",
    "json_option",
    "message_of",
    "printable",
    "url_option",
]

FAILED, USAGE, INTERRUPTED = 1, 2, 130

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _TellsErrors(click.Command):
    """Tells an error in one line, or as JSON where --json is given, and ends with its exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        # of a group: the arguments of its command, which click has not looked at yet
        as_json = "--json" in ctx.args
        try:
            return super().invoke(ctx)
        except click.UsageError as exc:
            if not as_json:
                raise
            _tell("UsageError", exc.format_message(), as_json=True)
            ctx.exit(USAGE)
        except KeyboardInterrupt as exc:
            _tell("Interrupted", str(exc) or "interrupted", as_json=as_json)
            ctx.exit(INTERRUPTED)
        except Exception as exc:
            # imported here because it brings Qiskit, which takes longer than any command's help
            from qiskit.exceptions import QiskitError

            if not isinstance(exc, QiskitError):
                raise
            _tell(type(exc).__name__, message_of(exc), as_json=as_json)
            ctx.exit(_exit_code(exc))


class FleetGroup(_TellsErrors, click.Group):
    """A group of commands that end as this module says."""


class FleetCommand(_TellsErrors):
    """A command that stands alone and ends as this module says."""


def _exit_code(exc: Exception) -> int:
    from qiskit.providers.exceptions import QiskitBackendNotFoundError

    from qfleet.errors import InvalidOptionError

    return USAGE if isinstance(exc, (InvalidOptionError, QiskitBackendNotFoundError)) else FAILED


def _tell(kind: str, message: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"error": {"type": kind, "message": message}}), err=True)
    else:
        click.echo(f"Error: {message}", err=True)


def message_of(exc: Exception) -> str:
    """An error's message in one line that is safe to print: a file's bytes may be quoted in it."""
    # QiskitError's str() is the repr of its message
    return printable(str(getattr(exc, "message", None) or exc))


def printable(text: str) -> str:
    """A text in one line that is safe to print, whoever wrote it."""
    return "".join(char if char.isprintable() else " " for char in " ".join(text.split()))


def url_option(command: _Command) -> _Command:
    """Adds --url."""
    return click.option(
        "--url",
        envvar="QFLEET_URL",
        show_envvar=True,
        metavar="URL",
        help="Redis of the fleet, redis://host:6379/0. A password is better given in QFLEET_URL: "
        "other users can see a command line.",
    )(command)


def json_option(command: _Command) -> _Command:
    """Adds --json."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Write JSON to stdout, and nothing else; an error as JSON to stderr."
    )(command)


def connect(url: str | None) -> FleetProvider:
    """The provider of the fleet at `url`."""
    if not url:
        raise click.UsageError(
            "No fleet is given. Name its Redis with --url or in QFLEET_URL, or start a fleet with 'qfleet up'."
        )
    from qfleet import FleetProvider

    return FleetProvider(url)


def interrupt_on_terminate() -> None:
    """Make SIGTERM end the command as Ctrl-C does, so that a local fleet is stopped with it."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
