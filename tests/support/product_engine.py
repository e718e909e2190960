# SPDX-License-Identifier: Apache-2.0
"""A third method in one small file: product states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, make_dataclass

import numpy as np

from qfleet.wire.cost.cost import Cost
from qfleet.wire.messages.request import Request
from qfleet.wire.program.events import FINAL_EVENT, event_numbers
from qfleet.wire.program.matrices import table
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import SAVE_SPEC, Quantity
from qfleet_worker.engines.contract import EngineError, Experiment, Outcome
from qfleet_worker.engines.driver.flow import compile_flow
from qfleet_worker.engines.driver.run import run_shots, sweep_one_by_one
from qfleet_worker.engines.driver.stretches import Stretch
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.states.contract import Samples
from qfleet_worker.engines.states.ways import Ways
from qfleet_worker.engines.steps import MeasureStep, ResetStep, SaveStep

SAVED = (Quantity.PROBABILITIES, Quantity.SQUARES_AT, Quantity.EXPECTATION_VALUES)
PAULIS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[1, 0], [0, -1]], [[0, -1j], [1j, 0]]])
Plan = make_dataclass("Plan", ["steps", "measured", "readout", "phase"], frozen=True)


def compile_stretch(stretch: Stretch) -> Plan:
    steps, phase, final, rows = [], 1 + 0j, {}, list(stretch.program)
    every = range(stretch.program.num_qubits)
    last_use = {qubit: at for at, row in enumerate(rows) for qubit in (every if row.code is Op.SAVE else row.targets)}
    last_write = {row.clbit: at for at, row in enumerate(rows)}
    for at, (row, event) in enumerate(zip(rows, event_numbers(stretch.program) + stretch.events_before, strict=False)):
        if row.code is Op.MEASURE:
            if stretch.last and last_use[row.targets[0]] == last_write[row.clbit] == at:
                final[row.targets[0]] = row.clbit
            else:
                steps.append(MeasureStep(event=int(event), wire=row.targets[0], clbits=(row.clbit,)))
        elif row.code is Op.SAVE:
            steps.append(SaveStep(row.save, row.targets, tuple(every), phase))
        elif not row.targets:
            phase *= complex(table(row)[0])
        else:
            if row.code in (Op.RESET, Op.INITIALIZE):
                steps.append(ResetStep(event=int(event), wire=row.targets[0]))
            if row.code is not Op.RESET:
                steps.append((row.targets[0], np.diag(table(row)) if table(row).ndim == 1 else table(row)))
    return Plan(tuple(steps), tuple(final), tuple(final.items()), phase)


@dataclass
class ProductStates:
    qubits: np.ndarray  # complex128, shape (states, qubits, 2)

    def begin(self) -> ProductStates:
        return ProductStates(np.tile(np.array([1, 0], np.complex128), (1, self.qubits.shape[1], 1)))

    def __len__(self) -> int:
        return len(self.qubits)

    def apply(self, steps: Sequence[tuple[int, np.ndarray]], begin: int, end: int) -> None:
        for wire, matrix in steps[begin:end]:
            self.qubits[:, wire] = self.qubits[:, wire, : matrix.shape[1]] @ matrix.T

    def lost(self) -> None:
        return None

    def answers(self) -> Iterator[tuple[int, ProductStates]]:
        yield from ((number, ProductStates(state[None])) for number, state in enumerate(self.qubits))

    def chances(self) -> np.ndarray:
        squares = np.abs(self.qubits) ** 2
        if not np.allclose(squares.sum(axis=2), 1, rtol=1e-6):
            raise EngineError("the circuit isn't unitary")
        return squares / squares.sum(axis=2, keepdims=True)

    def weights(self, step: MeasureStep | ResetStep) -> np.ndarray:
        return self.chances()[:, step.wire]

    def branch(self, step: MeasureStep | ResetStep, taken: np.ndarray, _: np.ndarray) -> np.ndarray:
        ways = Ways.of(taken)
        values = np.concatenate([ways.first, ways.ways])
        self.qubits = np.concatenate([self.qubits, self.qubits[ways.states]])
        self.qubits[:, step.wire] = np.eye(2)[0 * values if isinstance(step, ResetStep) else values]
        return ways.numbers(step.ways)

    def select(self, which: np.ndarray) -> None:
        self.qubits = self.qubits[which]

    def take_out(self, which: np.ndarray) -> ProductStates:
        out, self.qubits = ProductStates(self.qubits[which]), self.qubits[~which]
        return out

    def join(self, others: ProductStates) -> None:
        self.qubits = np.concatenate([self.qubits, others.qubits])

    def first_equal(self, kinds: np.ndarray) -> np.ndarray:
        return np.arange(len(kinds))

    def sample(self, plan: Plan, shots: np.ndarray, states: np.ndarray, draws: Uniforms, _: bool) -> Iterator[Samples]:
        chances, wires, found = self.chances(), range(self.qubits.shape[1]), np.zeros(len(shots), np.int64)
        left = draws.of(FINAL_EVENT, shots) if plan.measured else found
        for wire in reversed(wires if plan.measured else ()):  # all by one number: the highest qubit divides it first
            zero = chances[states, wire, 0]
            found |= (left >= zero).astype(np.int64) << wire
            left = np.where(left >= zero, (left - zero) / (1 - zero), left / zero)
        yield Samples(shots, found, {wire: wire for wire in wires}, {})

    def probabilities_at(self, wires: Sequence[int], basis_states: np.ndarray) -> np.ndarray:
        return np.prod([self.chances()[0, w][basis_states >> bit & 1] for bit, w in enumerate(wires)], axis=0)

    def probabilities(self, wires: Sequence[int]) -> np.ndarray:
        return self.probabilities_at(wires, np.arange(1 << len(wires)))

    def expectation_values(self, wires: Sequence[int], x: np.ndarray, z: np.ndarray) -> np.ndarray:
        values = np.einsum("qi,pij,qj->qp", self.qubits[0].conj(), PAULIS, self.qubits[0]).real
        letters = [((x >> bit & 1) + 2 * (z >> bit & 1)).astype(int) for bit in range(len(wires))]
        return np.prod([values[wire][letter] for wire, letter in zip(wires, letters, strict=True)], axis=0)


class ProductEngine:
    name, reason, methods = "product", "no qubits are entangled", frozenset({"statevector"})

    def available(self) -> str:
        return ""

    def supports(self, program: Program, request: Request) -> str:
        if request.returns_amplitudes or any(SAVE_SPEC[save.kind].quantity not in SAVED for save in program.saves):
            return "a product state isn't given as amplitudes or matrices"
        wide = [row for row in program if len(row.targets + row.controls) > 1 and row.code is not Op.SAVE]
        return f"{wide[0].code.name} acts on several qubits; a product state has no entanglement" if wide else ""

    def cost(self, program: Program, _: Request, *, shots: int, **__: int) -> Cost:
        return Cost(1 << 26, 32 * program.num_qubits, 1e-6 * len(program), 32 * shots)

    def open(self) -> ProductEngine:
        return self

    def run(self, experiment: Experiment) -> Outcome:
        states = ProductStates(np.zeros((0, experiment.program.num_qubits, 2), complex))
        with np.errstate(all="ignore"):
            return run_shots(experiment, compile_flow(experiment.program, compile_stretch), lambda: states)

    def sweep(self, experiment: Experiment, params: np.ndarray, seeds: Sequence[int]) -> Iterator[Outcome]:
        return sweep_one_by_one(self.run, experiment, params, seeds)
