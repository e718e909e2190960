# SPDX-License-Identifier: Apache-2.0
"""Kernels for processors with AVX-512: registers hold most of what their loops multiply by."""

from __future__ import annotations

import pytest
from llvmlite import binding, ir

from qfleet_worker.engines.statevector.kernels import coefficients, gates, kinds
from qfleet_worker.engines.statevector.kernels.kinds import Spec

DENSE = [Spec(kinds.S, 2, 0), Spec(kinds.C, 2, 0)]


def instructions(spec: Spec, double: bool) -> list[str]:
    """Return the instructions of a kernel for a processor with 32 vector registers."""
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    module = ir.Module()
    module.triple = "x86_64-unknown-linux-gnu"
    gates.define(module, spec, 0, double).linkage = "external"
    machine = binding.Target.from_triple(module.triple).create_target_machine(cpu="znver4", opt=3)
    parsed = binding.parse_assembly(str(module))
    passes = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(3))
    passes.getModulePassManager().run(parsed, passes)
    return machine.emit_assembly(parsed).splitlines()


def is_multiplication(line: str) -> bool:
    return line.strip().startswith(("vmul", "vfmadd"))


@pytest.mark.parametrize("double", [True, False], ids=["double", "single"])
@pytest.mark.parametrize("spec", DENSE, ids=["schmidt", "dense"])
def test_half_of_the_coefficients_stay_in_registers(spec: Spec, double: bool) -> None:
    code = instructions(spec, double)
    products = [line for line in code if is_multiplication(line)]
    count = coefficients.count(spec, 2 if double else 3)
    assert len(products) == count
    assert sum("{1to" in line for line in products) == count - 16
    assert not any("zmm" in line and "rsp" in line for line in code)


@pytest.mark.parametrize("double", [True, False], ids=["double", "single"])
@pytest.mark.parametrize("kind", [kinds.S, kinds.C, kinds.X, kinds.GX, kinds.GC])
def test_a_product_with_i_takes_no_elements_of_two_vectors(kind: int, double: bool) -> None:
    code = instructions(Spec(kind, 2, 0), double)
    assert not any(line.strip().startswith("vpermt2") for line in code)
