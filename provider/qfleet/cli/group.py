# SPDX-License-Identifier: Apache-2.0
"""Exit codes, error messages and options that all commands share.

Exit codes: 0 done; 1 failed; 2 the command line is wrong (an unknown option, a wrong value, a file or a backend that
doesn't exist); 130 interrupted with Ctrl-C or by SIGTERM; 141 the reader of the output has closed it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from click.exceptions import NoSuchCommand

from qfleet.cli import interrupts
from qfleet.cli.terminal import echo, write_json

if TYPE_CHECKING:
    from qfleet import FleetProvider

__all__ = [
    "FAILED",
    "FleetCommand",
    "FleetGroup",
    "connect",
    "files_argument",
    "json_option",
    "message_of",
    "noise_option",
    "url_option",
]

FAILED, USAGE = 1, 2
#: The exit code of a shell for a process that SIGPIPE ended.
_BROKEN_PIPE = 141

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _TellsErrors(click.Command):
    """A command that prints its error in one line.

    With --json the error is a JSON document. The command ends with its exit code.
    """

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
            # The help, which click prints while it reads the options.
            raise _output_closed() from None

    def invoke(self, ctx: click.Context) -> Any:
        # The arguments of a group's command, which click has not parsed yet.
        as_json = "--json" in ctx.args
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as exc:
            _interrupted(ctx, exc, as_json=as_json)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except Exception as exc:
            if interrupts.came():
                # Other code replaced the interrupt's exception with its own.
                _interrupted(ctx, None, as_json=as_json)
            if isinstance(exc, OSError):
                _system_error(ctx, exc, as_json=as_json)
            # Imported here since importing Qiskit takes longer than printing help.
            from qiskit.exceptions import QiskitError

            if not isinstance(exc, QiskitError):
                raise
            _tell(type(exc).__name__, message_of(exc), as_json=as_json, fields=getattr(exc, "fields", None))
            ctx.exit(_exit_code(exc))


class FleetGroup(_TellsErrors, click.Group):
    """A group of commands with these error messages and exit codes."""


class FleetCommand(_TellsErrors):
    """A command outside a group with these error messages and exit codes."""


def _interrupted(ctx: click.Context, exc: KeyboardInterrupt | None, *, as_json: bool) -> NoReturn:
    _tell("Interrupted", interrupts.message(exc), as_json=as_json)
    ctx.exit(interrupts.CODE)


def _system_error(ctx: click.Context, exc: OSError, *, as_json: bool) -> NoReturn:
    if isinstance(exc, BrokenPipeError):
        raise _output_closed() from None
    _tell(type(exc).__name__, str(exc), as_json=as_json)
    ctx.exit(FAILED)


def _output_closed() -> click.exceptions.Exit:
    """Return the exit of a command whose output was closed.

    ``qfleet jobs | head -1`` is such a command.
    """
    # The rest of the stream's buffer is discarded.
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
        # Suggest only the nearest one, not all in alphabetical order.
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
    """Return an error's message in one line."""
    # The text of a QiskitError is the repr of its message.
    return " ".join(str(getattr(exc, "message", None) or exc).split())


def url_option(command: _Command) -> _Command:
    """Add the option --url."""
    return click.option(
        "--url",
        envvar="QFLEET_URL",
        show_envvar=True,
        metavar="URL",
        help="Url of the fleet's Redis, redis://host:6379/0. Put a url with a password into QFLEET_URL: other users "
        "can see a command line.",
    )(command)


def files_argument(command: _Command) -> _Command:
    """Add the argument FILE... for files of circuits."""
    kind = click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.argument("files", nargs=-1, required=True, metavar="FILE...", type=kind)(command)


def noise_option(command: _Command) -> _Command:
    """Add the option --noise."""
    return click.option(
        "--noise",
        "noise_name",
        metavar="FILE|DEVICE",
        help="Noise: a file of NoiseModel.save(), or a fake device of qiskit-ibm-runtime, such as fake_manila.",
    )(command)


def json_option(command: _Command) -> _Command:
    """Add the option --json."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Write only JSON to stdout, and errors as JSON to stderr."
    )(command)


def connect(url: str | None) -> FleetProvider:
    """Return the provider of the fleet at a url.

    Raises:
        click.UsageError: there is no url.
    """
    if not url:
        raise click.UsageError(
            "No fleet is given. Name its Redis with --url or in QFLEET_URL, or start a fleet with 'qfleet up'."
        )
    from qfleet import FleetProvider

    return FleetProvider(url)
