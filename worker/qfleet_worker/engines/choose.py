# SPDX-License-Identifier: Apache-2.0
"""The choice of the engine that runs a circuit, and its reason.

The first engine in the order of preference runs a circuit if it is available, has the method of the request, supports
the program and has room for it. All engines give the same shots, so that a job may begin with one and end with another.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from qfleet.wire.messages.request import Request
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import Engine, EngineError, Simulator
from qfleet_worker.engines.machine_code.folder import wait_for_compiler
from qfleet_worker.engines.mps.engine import ChainEngine
from qfleet_worker.engines.numpy.engine import NumpyEngine
from qfleet_worker.engines.stabilizer.engine import StabilizerEngine
from qfleet_worker.engines.statevector.engine import NOT_COMPILED, StatevectorEngine

logger = logging.getLogger(__name__)

#: Seconds that a circuit waits for machine code that is being compiled.
_MOST_SECONDS: Final = 600.0


class Choice(NamedTuple):
    """The engine for a circuit."""

    engine: Engine
    #: of this process
    simulator: Simulator
    #: why it is this engine, for the metadata of results
    reason: str


def all_engines(faster: StatevectorEngine | None = None) -> tuple[Engine, ...]:
    """Return all engines, in the order of preference.

    Args:
        faster: the statevector engine; by default a new one.
    """
    faster = faster or StatevectorEngine()
    return faster, NumpyEngine(), StabilizerEngine(faster.available), ChainEngine()


class Engines:
    """The engines of this process.

    Args:
        engines: in the order of preference; by default all.
    """

    def __init__(self, engines: Sequence[Engine] | None = None) -> None:
        #: called in a process that has loaded a better engine, which takes memory of its own
        self.on_load: Callable[[], None] = lambda: None
        self._engines: tuple[Engine, ...] = tuple(engines or all_engines())
        self._simulators: dict[str, Simulator] = {}
        self._refusals = [engine.available() for engine in self._engines]

    @property
    def engine(self) -> Engine:
        """Return the first engine that is available."""
        return self._engines[self._refusals.index("")]

    @property
    def reason(self) -> str:
        """Return the reason for the choice of this engine.

        It is why no better engine is available, or why the best one is taken.
        """
        return self._refusals[0] or self._engines[0].reason

    def look(self) -> Engine:
        """Check again for a better engine, and return the first available."""
        before = self.engine
        self._refusals = [engine.available() for engine in self._engines]
        if self.engine is not before:
            self.on_load()
        return self.engine

    def choose(
        self, program: Program, request: Request, size_refusal: Callable[[Engine], str] = lambda _: ""
    ) -> Choice:
        """Return the engine for a circuit, with its simulator open.

        The simulator belongs to this process.

        Args:
            program: the circuit.
            request: its method is a resolved one.
            size_refusal: returns why the circuit is too large for an engine; empty if it isn't.

        Raises:
            EngineError: no engine runs the circuit; the text is the reason of the first that has the method and is
                available.
        """
        if self._wait(request):
            self.look()
        passed_over = error = ""
        for engine, unavailable in zip(self._engines, self._refusals, strict=True):
            if request.method not in engine.methods:
                continue
            refusal = unavailable or engine.supports(program, request)
            too_large = "" if refusal else size_refusal(engine)
            if not refusal and not too_large:
                return Choice(engine, self._open(engine), passed_over or engine.reason)
            passed_over = passed_over or refusal or f"on the {engine.name} engine, {too_large}"
            error = error or ("" if unavailable else refusal or too_large)
        raise EngineError(error or passed_over or f"no engine of this worker has method={request.method!r}")

    def _wait(self, request: Request) -> bool:
        """Wait for the compiler where a method needs machine code.

        Returns:
            Whether its engine may be available now.
        """
        refusals = [
            unavailable
            for engine, unavailable in zip(self._engines, self._refusals, strict=True)
            if request.method in engine.methods
        ]
        return bool(refusals) and all(refusals) and wait_for_compiler(_MOST_SECONDS)

    def _open(self, engine: Engine) -> Simulator:
        if engine.name not in self._simulators:
            self._simulators[engine.name] = engine.open()
        return self._simulators[engine.name]


def choose_engine() -> tuple[Engine, str]:
    """Return the engine for circuits that are run now, and the reason."""
    engines = Engines()
    if engines.reason == NOT_COMPILED:
        logger.warning("circuits are run by numpy: %s", engines.reason)
    return engines.engine, engines.reason
