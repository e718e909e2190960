# SPDX-License-Identifier: Apache-2.0
"""Events with more than two ways, whose weights are given: shots take the ways that their random numbers say."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import measure
from make_experiments import make_experiment
from product_engine import PAULIS, Plan, ProductStates, compile_stretch

from qfleet_worker.engines.contract import Outcome
from qfleet_worker.engines.driver.flow import compile_flow
from qfleet_worker.engines.driver.run import run_shots
from qfleet_worker.engines.driver.stretches import Stretch
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.states.ways import Ways
from qfleet_worker.engines.steps import EventStep

SHOTS, SEED, EVENT = 4000, 3, 7
WEIGHTS = np.array([0.4, 0.3, 0.2, 0.1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise(EventStep):
    """A Pauli on wire 0, by chance: none, X, Z or Y."""

    ways: int = 4


@dataclass
class NoisyStates(ProductStates):
    """Product states with noise, and with room for a few further states at each event."""

    room: int = 100

    def begin(self) -> NoisyStates:
        return NoisyStates(super().begin().qubits, self.room)

    def weights(self, step: EventStep) -> np.ndarray:
        return np.tile(WEIGHTS, (len(self), 1)) if isinstance(step, Noise) else super().weights(step)

    def branch(self, step: EventStep, taken: np.ndarray, weights: np.ndarray) -> np.ndarray:
        if not isinstance(step, Noise):
            return super().branch(step, taken, weights)
        ways = Ways.of(taken).limited(self.room)
        paulis = PAULIS[np.concatenate([ways.first, ways.ways])]
        self.qubits = np.concatenate([self.qubits, self.qubits[ways.states]])
        self.qubits[:, 0] = np.einsum("sij,sj->si", paulis, self.qubits[:, 0])
        return ways.numbers(step.ways)


def noisy(stretch: Stretch) -> Plan:
    plan = compile_stretch(stretch)
    return dataclasses.replace(plan, steps=(*plan.steps, Noise(event=EVENT)))


def run(room: int) -> Outcome:
    program = oracle.program(1, 1, [measure(0, 0)])
    states = NoisyStates(np.zeros((0, 1, 2), np.complex128), room)
    experiment = make_experiment(program, SHOTS, SEED, memory=True)
    with np.errstate(all="ignore"):
        return run_shots(experiment, compile_flow(program, noisy), lambda: states)


def expected() -> np.ndarray:
    """Return each shot's bit: the last way has the numbers from 0 on."""
    numbers = Uniforms(SEED, 0, SHOTS).of(EVENT, np.arange(SHOTS))
    way = 3 - np.searchsorted(np.cumsum(WEIGHTS[::-1])[:3], numbers, side="right")
    return np.isin(way, [1, 3])


def test_each_shot_goes_the_way_of_its_number() -> None:
    outcome = run(room=100)
    assert np.array_equal(outcome.outcomes[outcome.memory, 0] == 1, expected())


@pytest.mark.parametrize("room", [0, 1, 2])
def test_shots_without_room_are_run_again_and_go_the_same_ways(room: int) -> None:
    outcome = run(room)
    assert np.array_equal(outcome.outcomes[outcome.memory, 0] == 1, expected())
