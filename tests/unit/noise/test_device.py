# SPDX-License-Identifier: Apache-2.0
"""The noise of a device, against Qiskit's own channels and fidelities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from qiskit.circuit import Delay, IfElseOp, Measure, Parameter, Reset
from qiskit.circuit.library import CXGate, RZGate, XGate
from qiskit.providers import QubitProperties
from qiskit.providers.basic_provider import BasicSimulator
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import Kraus, SuperOp, average_gate_fidelity
from qiskit.transpiler import InstructionProperties, Target

from qfleet.errors import NoiseError
from qfleet.noise import Channel, NoiseModel
from qfleet.noise.model import Relaxation

T1, T2, LENGTH = 80e-6, 60e-6, 300e-9


def target(
    gates: dict[tuple[int, ...], InstructionProperties | None],
    qubits: list[QubitProperties] | None = None,
    measure: Any = None,
) -> Target:
    """Return a target of two qubits, whose X or CX has some properties."""
    made = Target(num_qubits=2, dt=1e-9, qubit_properties=qubits)
    for place, properties in gates.items():
        made.add_instruction(CXGate() if len(place) == 2 else XGate(), {place: properties})
    made.add_instruction(Measure(), {(0,): measure, (1,): None})
    made.add_instruction(Delay(Parameter("t")), {(0,): None, (1,): None})
    return made


def relaxed(t1: float, t2: float, time: float) -> SuperOp:
    """Relaxation, from the damping of amplitude and phase that it is."""
    decay = 1 - math.exp(-time / t1)
    amplitude = Kraus([np.diag([1, math.sqrt(1 - decay)]), np.array([[0, math.sqrt(decay)], [0, 0]])])
    shrink = math.exp(-time / t2) / math.sqrt(1 - decay)
    phase = Kraus([math.sqrt((1 + shrink) / 2) * np.eye(2), math.sqrt((1 - shrink) / 2) * np.diag([1, -1])])
    return SuperOp(amplitude).compose(SuperOp(phase))


def infidelity(channel: Any) -> float:
    return 1 - float(average_gate_fidelity(SuperOp(channel.to_superop())))


@pytest.mark.parametrize(("num_qubits", "seed"), [(2, 1), (5, 2)])
def test_the_error_rate_of_a_gate_is_its_infidelity(num_qubits: int, seed: int) -> None:
    device = GenericBackendV2(num_qubits, seed=seed)
    model = NoiseModel.from_target(device.target)
    checked = 0
    for name, places in device.target.items():
        for qubits, properties in places.items():
            if not properties or not properties.error or name == "measure":
                continue
            relaxation = SuperOp(np.eye(1))
            for qubit in qubits:
                times = device.qubit_properties(qubit)
                relaxation = relaxation.expand(relaxed(times.t1, min(times.t2, 2 * times.t1), properties.duration))
            channel = model.channel(name, qubits)
            assert channel is not None
            # Where relaxation alone is worse than the rate, nothing is added.
            expected = max(properties.error, 1 - average_gate_fidelity(relaxation))
            assert infidelity(channel) == pytest.approx(expected, abs=1e-12)
            checked += 1
    assert checked > num_qubits


def test_a_gate_without_an_error_rate_relaxes() -> None:
    qubits = [QubitProperties(t1=T1, t2=T2), QubitProperties(t1=T1, t2=3 * T1)]
    model = NoiseModel.from_target(target({(0, 1): InstructionProperties(duration=LENGTH)}, qubits))
    channel = model.channel("cx", [0, 1])
    assert channel is not None
    # A T2 beyond what is possible counts as twice T1.
    expected = relaxed(T1, T2, LENGTH).expand(relaxed(T1, 2 * T1, LENGTH))
    assert np.allclose(channel.to_superop(), expected.data, atol=1e-12)
    assert model.channel("cx", [1, 0]) is None
    assert model.relaxation == Relaxation((T1, T1), (T2, 2 * T1), (0.0, 0.0), 1e-9)


@pytest.mark.parametrize("qubits", [None, [QubitProperties(), QubitProperties(frequency=5e9)]], ids=str)
def test_qubits_without_times_depolarize_alone(qubits: list[QubitProperties] | None) -> None:
    model = NoiseModel.from_target(target({(0,): InstructionProperties(duration=LENGTH, error=0.01)}, qubits))
    channel = model.channel("x", [0])
    assert channel is not None
    assert channel == Channel.depolarizing(0.02)
    assert model.relaxation is None


def test_a_broken_gate_forgets_everything() -> None:
    channel = NoiseModel.from_target(target({(0,): InstructionProperties(error=1.0)})).channel("x", [0])
    assert channel is not None
    # The worst channel is as likely to apply any of the three Paulis.
    assert infidelity(channel) == pytest.approx(2 / 3, abs=1e-12)


def test_a_gate_that_takes_forever_relaxes_alone() -> None:
    qubits = [QubitProperties(t1=T1, t2=T2)] * 2
    broken = InstructionProperties(duration=1.0, error=1.0)
    channel = NoiseModel.from_target(target({(0,): broken}, qubits)).channel("x", [0])
    assert channel == Channel.reset(1.0)


def test_gates_that_are_nowhere_or_have_no_properties_are_noiseless() -> None:
    made = target({(0,): None, (0, 1): InstructionProperties(error=0.0, duration=0.0)})
    made.add_instruction(IfElseOp, name="if_else")
    made.add_instruction(RZGate(Parameter("angle")))
    assert NoiseModel.from_target(made).is_ideal()
    assert NoiseModel.from_backend(BasicSimulator()).is_ideal()


def test_a_reset_relaxes_and_has_no_gate_error() -> None:
    made = target({}, [QubitProperties(t1=T1, t2=T2)] * 2)
    made.add_instruction(Reset(), {(0,): InstructionProperties(duration=LENGTH, error=0.5)})
    channel = NoiseModel.from_target(made).channel("reset", [0])
    assert channel is not None
    assert np.allclose(channel.to_superop(), relaxed(T1, T2, LENGTH).data, atol=1e-12)


def test_readout_is_symmetric_unless_both_errors_are_known() -> None:
    qubits = [QubitProperties(t1=T1, t2=T2)] * 2
    one = NoiseModel.from_target(target({}, qubits, InstructionProperties(error=0.03, duration=1e-6)))
    assert one.flips(0) == (0.03, 0.03)
    assert one.flips(1) is None
    # The measurement's length adds nothing.
    assert one.names == frozenset()
    measured = InstructionProperties(error=0.03)
    measured.prob_meas1_prep0, measured.prob_meas0_prep1 = 0.01, 0.05
    assert NoiseModel.from_target(target({}, measure=measured)).flips(0) == (0.01, 0.05)


def test_a_warm_qubit_is_partly_excited() -> None:
    made = target({}, [QubitProperties(t1=T1, t2=T2, frequency=5e9)] * 2)
    warm = NoiseModel.from_target(made, temperature=50).relaxation
    inverted = NoiseModel.from_target(made, temperature=-50).relaxation
    tiny = NoiseModel.from_target(made, temperature=1e-9).relaxation
    assert warm is not None
    assert inverted is not None
    assert tiny is not None
    # 1 / (1 + exp(h f / k T))
    boltzmann = math.exp(6.62607015e-34 * 5e9 / (1.380649e-23 * 0.05))
    assert warm.excited_state_populations[0] == pytest.approx(1 / (1 + boltzmann), rel=1e-5)
    assert inverted.excited_state_populations[0] == pytest.approx(boltzmann / (1 + boltzmann), rel=1e-5)
    assert tiny.excited_state_populations[0] == 0


@pytest.mark.parametrize("wrong", [math.nan, "50", None])
def test_a_temperature_is_a_number(wrong: Any) -> None:
    with pytest.raises(NoiseError, match=r"^temperature = ") as caught:
        NoiseModel.from_backend(GenericBackendV2(2, seed=1), temperature=wrong)
    assert caught.value.entry == "temperature"


def test_an_impossible_rate_names_the_gate() -> None:
    with pytest.raises(NoiseError, match=r"x on qubits \(0,\) in the target: .*t1") as caught:
        NoiseModel.from_target(
            target({(0,): InstructionProperties(duration=LENGTH)}, [QubitProperties(t1=-1.0, t2=T2)] * 2)
        )
    assert caught.value.entry == "x on qubits (0,)"


def test_a_device_is_a_backend() -> None:
    with pytest.raises(TypeError, match="BackendV2"):
        NoiseModel.from_backend(GenericBackendV2(2).target)  # type: ignore[arg-type]
