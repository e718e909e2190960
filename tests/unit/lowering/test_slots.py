# SPDX-License-Identifier: Apache-2.0
"""Is a program with slots, filled, the program of the circuit that Qiskit bound?"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import (
    AnnotatedOperation,
    ControlModifier,
    InverseModifier,
    Parameter,
    ParameterExpression,
    ParameterVector,
    PowerModifier,
)
from qiskit.circuit.library import (
    CUGate,
    PauliEvolutionGate,
    QAOAAnsatz,
    RXGate,
    StatePreparation,
    UGate,
    ZZFeatureMap,
    efficient_su2,
    get_standard_gate_name_mapping,
)
from qiskit.quantum_info import Operator, SparsePauliOp

import qfleet.lowering.formulas as lowering_formulas
from qfleet.errors import UnboundParameterError, UnsupportedCircuitError
from qfleet.lowering import lower
from qfleet.wire.codec import decode_program, encode_program
from qfleet.wire.formulas import Step, parameter_of
from qfleet.wire.program import Op, Program
from qfleet_worker.formulas import fill

from program_oracle import run_unitary  # isort: skip

A, B = Parameter("a"), Parameter("b")
V = ParameterVector("v", 3)


def lowered(circuit: QuantumCircuit) -> Program:
    """The program of a circuit, as it comes out of the wire."""
    return decode_program(encode_program(lower(circuit)))
