# SPDX-License-Identifier: Apache-2.0
"""Channels of Aer's errors, read from their dictionaries.

Such a dictionary is what ``error.to_dict()`` returns, in memory or read from JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from qiskit.circuit.library import get_standard_gate_name_mapping

from qfleet.errors import NoiseError
from qfleet.noise.branches import after, on, operators_branch, pauli_branch
from qfleet.noise.channel import Channel
from qfleet.noise.checks import number, probabilities
from qfleet.noise.matrices import TOLERANCE, Matrix, square_matrix, trace_error
from qfleet.wire.limits import MAX_CHANNEL_QUBITS
from qfleet.wire.program.channels import Branch

_STANDARD: Final = get_standard_gate_name_mapping()
#: Instructions that do nothing to a state.
_NOTHING: Final = frozenset({"id", "delay", "barrier"})
_PAULIS: Final = {"x": "X", "y": "Y", "z": "Z"}


def channel_of_error(entry: str, read: Callable[[], Mapping[str, Any]], num_qubits: int) -> Channel:
    """Return the channel of a dictionary of the type ``qerror`` or ``plerror``.

    It is read when it is needed for the first time, and raises `NoiseError` then if it is wrong.

    Args:
        entry: the error's name in messages.
        read: returns the dictionary.
        num_qubits: number of qubits of the error.
    """

    def make() -> list[Branch]:
        try:
            return branches_of_error(read(), num_qubits)
        except NoiseError as exc:
            raise NoiseError(f"{entry}: {exc}", entry=entry, value=exc.value) from exc
        except (LookupError, TypeError, ValueError) as exc:
            raise NoiseError(f"{entry} can't be read: {exc!r}", entry=entry) from exc

    return Channel(num_qubits, make)


def branches_of_error(error: Mapping[str, Any], num_qubits: int) -> list[Branch]:
    """Return the branches of an error's dictionary.

    Args:
        error: the dictionary.
        num_qubits: number of qubits of the error.

    Raises:
        NoiseError: it isn't possible.
    """
    if num_qubits > MAX_CHANNEL_QUBITS:
        text = f"it acts on {num_qubits} qubits; at most {MAX_CHANNEL_QUBITS} are possible"
        raise NoiseError(text, value=num_qubits)
    if error["type"] == "plerror":
        labels = [each[0]["params"][0] for each in error["instructions"]]
        return lindblad_branches(labels, error["rates"], num_qubits)
    if error["type"] != "qerror":
        raise NoiseError(f"errors of the type {error['type']!r} aren't known", value=error["type"])
    chances = probabilities("its probabilities", list(error["probabilities"]))
    return [
        _branch(chance, instructions, num_qubits)
        for chance, instructions in zip(chances, error["instructions"], strict=True)
    ]


def lindblad_branches(labels: Sequence[str], rates: Sequence[float], num_qubits: int) -> list[Branch]:
    """Return the branches of ``exp(sum of rate (P . P - 1))``.

    Args:
        labels: the Paulis.
        rates: the rate of each.
        num_qubits: number of qubits.

    Raises:
        NoiseError: a probability is negative.
    """
    chances = np.zeros(4**num_qubits)
    chances[0] = 1.0
    places = np.arange(len(chances))
    for label, rate in zip(labels, rates, strict=True):
        pauli = pauli_branch(1.0, label)
        flip = -np.expm1(-2 * number(f"the rate of {label}", rate, -1e3, 1e3)) / 2
        chances = (1 - flip) * chances + flip * chances[places ^ (pauli.x_mask | pauli.z_mask << num_qubits)]
    if chances.min() < -TOLERANCE:
        raise NoiseError(f"its rates {list(rates)} give a Pauli the probability {chances.min():.3g}", value=list(rates))
    low = (1 << num_qubits) - 1
    return [
        Branch(float(chances[index]), index & low, index >> num_qubits)
        for index in np.flatnonzero(chances > 0).tolist()
    ]


def lindblad_parts(error: Mapping[str, Any]) -> list[tuple[list[int], Channel]]:
    """Return the channels of a Pauli-Lindblad error with their qubits.

    Paulis on the same qubits are one channel; all of them commute.

    Args:
        error: the dictionary, of the type ``plerror``.
    """
    by_qubits: dict[tuple[int, ...], list[tuple[str, float]]] = {}
    for instructions, rate in zip(error["instructions"], error["rates"], strict=True):
        label = instructions[0]["params"][0]
        qubits = tuple(at for at, letter in enumerate(reversed(label)) if letter != "I")
        by_qubits.setdefault(qubits, []).append((label.replace("I", ""), rate))
    parts = []
    for qubits, terms in by_qubits.items():
        if qubits:
            part = {"type": "plerror", "rates": [rate for _, rate in terms]}
            part["instructions"] = [[{"params": [label]}] for label, _ in terms]
            entry = f"the Paulis on qubits {qubits}"
            parts.append((list(qubits), channel_of_error(entry, partial(dict, part), len(qubits))))
    return parts


def _branch(chance: float, instructions: Sequence[Mapping[str, Any]], num_qubits: int) -> Branch:
    branch = Branch(chance)
    for instruction in instructions:
        if "condition" in instruction:
            raise NoiseError(f"it has {instruction['name']!r} under a condition", value=instruction["name"])
        if instruction["name"] not in _NOTHING:
            qubits = instruction["qubits"]
            branch = after(branch, on(_instruction(instruction, len(qubits)), qubits, num_qubits), num_qubits)
    return branch


def _instruction(instruction: Mapping[str, Any], num_qubits: int) -> Branch:
    name, params = instruction["name"], instruction.get("params", ())
    match name:
        case "pauli":
            return pauli_branch(1.0, params[0])
        case "x" | "y" | "z":
            return pauli_branch(1.0, _PAULIS[name])
        case "reset":
            return Branch(1.0, reset_mask=(1 << num_qubits) - 1)
        case "kraus":
            operators = np.array([matrix for param in params for matrix in _matrices(param, num_qubits)])
        case "unitary":
            operators = np.array(_matrices(params[0], num_qubits))
        case _ if name in _STANDARD:
            operators = np.asarray(_STANDARD[name].base_class(*params).to_matrix(), np.complex128)[None]
        case _:
            raise NoiseError(f"errors that are made of {name!r} aren't known", value=name)
    error = trace_error(operators)
    if not error <= TOLERANCE:
        raise NoiseError(f"its {name!r} doesn't preserve the trace, by {error:.3g}", value=error)
    return operators_branch(1.0, operators)


def _matrices(param: Any, num_qubits: int) -> list[Matrix]:
    """Return the matrices of a parameter, which is one or a list.

    JSON has pairs for complex numbers.
    """
    array, side = np.asarray(param), 1 << num_qubits
    if array.ndim == 3 and array.shape == (side, side, 2) and array.dtype.kind != "c":
        array = array[..., 0] + 1j * array[..., 1]
    if array.ndim == 2:
        return [square_matrix("a matrix", array, num_qubits)[0]]
    return [matrix for each in param for matrix in _matrices(each, num_qubits)]
