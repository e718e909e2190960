# SPDX-License-Identifier: Apache-2.0
"""Providers and backends in a process: cheap, thread-safe, fork-safe, silent, and tidy."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import connections
import psutil
import pytest
from connections import connection_of
from qiskit import QuantumCircuit, transpile
from qiskit.providers import BackendV2

from qfleet import FleetProvider
from qfleet.errors import BrokerUnreachableError

#: Runs jobs in a process and in its children, which were forked in the middle of that.
FORKS = """
import os, signal, threading
from connections import connection_of
from qiskit import QuantumCircuit
from qfleet import FleetProvider

def run(number):
    circuit = QuantumCircuit(4, 4)
    for qubit in range(4):
        if number >> qubit & 1:
            circuit.x(qubit)
    circuit.measure(range(4), range(4))
    assert backend.run(circuit, shots=3).result(timeout=30).get_counts() == {f"{number:04b}": 3}

provider = FleetProvider()
backend = provider.get_backend()
run(1)
old = backend.run(QuantumCircuit(1))

# A thread that submits all the time, so that locks are held and answers are on their way when the fork comes.
# It is connected by then: before Python 3.12, a fork in the moment in which kombu connects may leave the child with a
# lock of functools.cached_property that nobody opens any more.
stop, connected = threading.Event(), threading.Event()
def busy():
    while not stop.is_set():
        run(2)
        connected.set()
thread = threading.Thread(target=busy)
thread.start()
assert connected.wait(30)

def child(number):
    code = 1
    signal.alarm(30)  # ends the child if it hangs
    try:
        run(number)
        assert old.result(timeout=30).success
        run(number)
        provider.close()
        code = 0
    finally:
        os._exit(code)

children = []
for number in range(3, 7):
    children.append(os.fork() or child(number))
    run(number)
# As if another thread were about to open a connection.
with connection_of(provider).lock_of_this_process():
    children.append(os.fork() or child(8))
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
stop.set()
thread.join()
run(7)
assert old.result().success
provider.close()
assert codes == [0] * len(children), codes
print("all ran")
"""

#: What a user does on an ordinary day. Every warning is kept.
SESSION = """
import warnings
warnings.simplefilter("always")
with warnings.catch_warnings(record=True) as caught:
    import os, sys
    from qfleet import FleetProvider, FleetBackend, FleetJob
    from qiskit import QuantumCircuit, transpile
    from qiskit.circuit import Parameter
    from qiskit.circuit.library import get_standard_gate_name_mapping
    from qiskit.primitives import BackendEstimatorV2, BackendSamplerV2
    from qiskit.quantum_info import SparsePauliOp

    with FleetProvider() as provider:
        circuits = []
        for gate in get_standard_gate_name_mapping().values():
            gate = gate.to_mutable()
            gate.params = [1] * len(gate.params)
            circuit = QuantumCircuit(max(gate.num_qubits, 1), max(gate.num_clbits, 1), metadata={"gate": gate.name})
            circuit.append(gate, range(gate.num_qubits), range(gate.num_clbits))
            circuit.measure(0, 0)
            circuits.append(circuit)
        odd = QuantumCircuit(3, 3, global_phase=1)
        odd.initialize([0.6, 0.8], 0)
        odd.prepare_state("01", [0, 1])
        odd.delay(10, 0, "ns")
        odd.rx(Parameter("a"), 0)
        odd.x(0).inverse()
        odd.measure([0, 0, 1], [0, 1, 0])
        odd.reset(0)
        odd.h(0)
        for backend in provider.backends():
            repr(backend), backend.target, backend.operations, backend.num_qubits, backend.options, repr(provider)
            transpile(circuits, backend)
            backend.set_options(shots=10, seed_simulator=1)
            inputs = [QuantumCircuit(2)] if backend.name == "unitary_simulator" else [*circuits, odd]
            binds = [{}] * len(circuits) + [{"a": [0.1, 0.2]}] if len(inputs) > 1 else None
            job = backend.run(inputs, parameter_binds=binds, job_tags=["day"], metadata={"a": 1})
            job.wait_for_final_state(timeout=60, callback=lambda job_id, status, job: None)
            result = job.result(timeout=60)
            if len(inputs) > 1:
                result.get_counts()
            repr(job), job.status(), job.progress(), job.tags, job.metadata, job.creation_date, job.error_message()
            job.cancel()
            backend.retrieve_job(job.job_id()).result().to_dict()
        provider.jobs(job_tags=["day"], pending=False)
        bell = QuantumCircuit(2)
        bell.h(0)
        bell.cx(0, 1)
        BackendEstimatorV2(backend=provider.get_backend()).run([(bell, SparsePauliOp("ZZ"))]).result()
        bell.measure_all()
        BackendSamplerV2(backend=provider.get_backend()).run([bell]).result()
        provider.delete_job(job.job_id())
for warning in caught:
    print(f"{warning.category.__name__}: {warning.message} ({warning.filename}:{warning.lineno})")
"""


def python(script: str, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", script],
        env=os.environ | {"QFLEET_URL": url, "PYTHONPATH": os.path.dirname(connections.__file__)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def number_circuit(number: int) -> QuantumCircuit:
    """Return a circuit whose only outcome is the number."""
    circuit = QuantumCircuit(10, 10, name=str(number))
    for qubit in range(10):
        if number >> qubit & 1:
            circuit.x(qubit)
    circuit.measure(range(10), range(10))
    return circuit


def test_making_providers_and_backends_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_connections(*args: object) -> None:
        raise AssertionError("a connection was opened")

    descriptors = psutil.Process().num_fds()
    with monkeypatch.context() as patched:
        patched.setattr(socket.socket, "connect", no_connections)
        kept = []
        for _ in range(50):
            provider = FleetProvider("redis://nowhere.invalid:1/0")
            for backend in [*provider.backends(), provider.get_backend("automatic", shots=5)]:
                assert isinstance(backend, BackendV2)
                assert backend.provider is provider
                assert backend.num_qubits >= 12
                kept += [provider, backend]
        for provider in kept[::2]:
            provider.close()
    # fewer, where garbage of other tests was collected meanwhile
    assert psutil.Process().num_fds() <= descriptors


def test_the_first_use_of_a_server_that_is_not_there_says_so() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"redis://user:secret@127.0.0.1:{unused.getsockname()[1]}/0"
        with FleetProvider(url) as provider:
            backend = provider.get_backend()
            with pytest.raises(BrokerUnreachableError) as caught:
                backend.run(QuantumCircuit(1, 1))
    assert url.replace("secret", "***") in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_provider_closes_what_it_opened(fleet_url: str) -> None:
    with FleetProvider(fleet_url) as warm:  # what Celery and Qiskit open once in a process
        warm.get_backend().run(number_circuit(1)).result()
    gc.collect()
    before = psutil.Process().num_fds()
    with FleetProvider(fleet_url) as provider:
        with ThreadPoolExecutor(4) as pool:
            jobs = list(pool.map(provider.get_backend().run, map(number_circuit, range(8))))
            list(pool.map(lambda job: job.result(), jobs))
        connection_of(provider).revoke("no job", [0])
        during = psutil.Process().num_fds()
    gc.collect()
    assert psutil.Process().num_fds() == before < during


def test_a_closed_provider_opens_anew(provider: FleetProvider) -> None:
    backend = provider.get_backend()
    job = backend.run(number_circuit(3), shots=5)
    provider.close()
    assert job.result().get_counts() == {f"{3:010b}": 5}
    provider.close()
    provider.close()
    assert backend.run(number_circuit(4), shots=5).result().get_counts() == {f"{4:010b}": 5}


def test_threads_share_a_backend(provider: FleetProvider) -> None:
    backend = provider.get_backend("basic_simulator")

    def submit_and_wait(number: int) -> None:
        job = backend.run([number_circuit(number), number_circuit(number + 1)], shots=7)
        assert job.result(timeout=60).get_counts() == [{f"{number:010b}": 7}, {f"{number + 1:010b}": 7}]

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(submit_and_wait, range(120)))


def test_threads_share_a_job(provider: FleetProvider) -> None:
    job = provider.get_backend().run([number_circuit(number) for number in range(50)], max_job_size=1)
    with ThreadPoolExecutor(12) as pool:
        results = list(pool.map(lambda _: job.result(timeout=60).get_counts(), range(24)))
    assert all(list(map(set, counts)) == [{f"{number:010b}"} for number in range(50)] for counts in results)


def test_threads_share_a_result(provider: FleetProvider) -> None:
    """The transpiler's caches, the lowering and the options are shared, too."""

    def session(number: int) -> None:
        backend = provider.get_backend("automatic", shots=number + 1)
        circuit = transpile(number_circuit(number), backend, optimization_level=number % 4)
        assert backend.run(circuit).result(timeout=60).get_counts() == {f"{number:010b}": number + 1}

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(session, range(40)))


def test_fork(fleet_url: str) -> None:
    done = python(FORKS, fleet_url)
    assert (done.returncode, done.stdout) == (0, "all ran\n"), done.stderr


def test_an_ordinary_session_warns_of_nothing(fleet_url: str) -> None:
    """Neither we nor what we call: no deprecated API, no QiskitWarning, no UserWarning."""
    done = python(SESSION, fleet_url)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
