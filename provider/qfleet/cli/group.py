# SPDX-License-Identifier: Apache-2.0
"""What every command shares: exit codes, how errors are told, the options --url and --json.

Exit codes: 0 done; 1 failed; 2 the command line has to change (an unknown option, a wrong value, a file or a backend
that isn't there); 130 interrupted with Ctrl-C or by SIGTERM; 141 nobody reads the output any more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from click.exceptions import NoSuchCommand

from qfleet.cli import interrupts
from qfleet.cli.terminal import echo, write_json

if TYPE_CHECKING:
    from qfleet import FleetProvider

__all__ = ["FAILED", "FleetCommand", "FleetGroup", "connect", "json_option", "message_of", "url_option"]

FAILED, USAGE = 1, 2
#: As a shell says it of a process that nobody listens to any more.
_BROKEN_PIPE = 141

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _TellsErrors(click.Command):
    """Tells an error in one line, or as JSON where --json is given, and ends with its exit code."""

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **settings: Any
    ) -> NoReturn:
        words = list(sys.argv[1:] if args is None else args)
        as_json = "--json" in words
        settings["standalone_mode"] = False
        interrupts.reset()
        try:
            code = super().main(words, prog_name, **settings)
        except click.UsageError as exc:
            _tell_usage(exc, as_json=as_json)
            code = exc.exit_code
        except click.Abort:
            _tell("Interrupted", interrupts.message(), as_json=as_json)
            code = interrupts.CODE
        except click.ClickException as exc:
            _tell(type(exc).__name__, exc.format_message(), as_json=as_json)
            code = exc.exit_code
        sys.exit(code if isinstance(code, int) else 0)

    def make_context(self, *arguments: Any, **settings: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **settings)
        except BrokenPipeError:
            # the help, which click prints while it reads the options
            raise _nobody_reads() from None

    def invoke(self, ctx: click.Context) -> Any:
        # of a group: the arguments of its command, which click has not looked at yet
        as_json = "--json" in ctx.args
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as exc:
            _interrupted(ctx, exc, as_json=as_json)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except Exception as exc:
            if interrupts.came():
                # somebody made another error of it
                _interrupted(ctx, None, as_json=as_json)
            if isinstance(exc, OSError):
                _system_error(ctx, exc, as_json=as_json)
            # imported here because it brings Qiskit, which takes longer than any command's help
            from qiskit.exceptions import QiskitError

            if not isinstance(exc, QiskitError):
                raise
            _tell(type(exc).__name__, message_of(exc), as_json=as_json, fields=getattr(exc, "fields", None))
            ctx.exit(_exit_code(exc))


class FleetGroup(_TellsErrors, click.Group):
    """A group of commands that end as this module says."""


class FleetCommand(_TellsErrors):
    """A command that stands alone and ends as this module says."""


def _interrupted(ctx: click.Context, exc: KeyboardInterrupt | None, *, as_json: bool) -> NoReturn:
    _tell("Interrupted", interrupts.message(exc), as_json=as_json)
    ctx.exit(interrupts.CODE)


def _system_error(ctx: click.Context, exc: OSError, *, as_json: bool) -> NoReturn:
    if isinstance(exc, BrokenPipeError):
        raise _nobody_reads() from None
    _tell(type(exc).__name__, str(exc), as_json=as_json)
    ctx.exit(FAILED)


def _nobody_reads() -> click.exceptions.Exit:
    """Return the end of a command whose output nobody reads on, as in ``qfleet jobs | head -1``."""
    # What the stream still holds goes nowhere.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return click.exceptions.Exit(_BROKEN_PIPE)


def _exit_code(exc: Exception) -> int:
    from qiskit.providers.exceptions import QiskitBackendNotFoundError

    from qfleet.errors import InvalidOptionError

    return USAGE if isinstance(exc, (InvalidOptionError, QiskitBackendNotFoundError)) else FAILED


def _tell_usage(exc: click.UsageError, *, as_json: bool) -> None:
    if not as_json and exc.ctx is not None:
        echo(*exc.ctx.get_usage().splitlines(), err=True)
        echo(f"Try '{exc.ctx.command_path} --help' for help.", "", err=True)
    text = exc.format_message()
    if isinstance(exc, (click.NoSuchOption, NoSuchCommand)) and exc.possibilities:
        # the nearest one alone, not all of them in the order of the alphabet
        text = f"{exc.message} Did you mean {exc.possibilities[0]!r}?"
    _tell("UsageError", text, as_json=as_json)


def _tell(kind: str, message: str, *, as_json: bool, fields: Mapping[str, object] | None = None) -> None:
    if as_json:
        error: dict[str, object] = {"type": kind, "message": message}
        if fields:
            error["fields"] = fields
        write_json({"error": error}, err=True)
    else:
        echo(f"Error: {message}", err=True)


def message_of(exc: Exception) -> str:
    """Return an error's message, its lines joined."""
    # QiskitError's str() is the repr of its message
    return " ".join(str(getattr(exc, "message", None) or exc).split())


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
