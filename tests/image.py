# SPDX-License-Identifier: Apache-2.0
"""Build the worker's image, and run circuits on it by each method as any user, with the machine code in it.

With Docker or podman where one of them works; else with buildah, as root on Debian, which needs neither an engine nor a
registry: a Debian made with debootstrap then stands in for the image that the Dockerfile starts from, so that Python is
Debian's. That takes some ten minutes the first time; what it made is kept in QFLEET_IMAGE_CACHE (default: a folder for
temporary files). ``make test-image`` runs it.
"""

from __future__ import annotations

import configparser
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

sys.path.insert(0, str(Path(__file__).parent / "support"))

from processes import redis_server
from qiskit import QuantumCircuit
from waiting import until

from qfleet import FleetProvider

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = ROOT / "worker" / "Dockerfile"
IMAGE = "localhost/qfleet-worker:test"
CACHE = Path(os.environ.get("QFLEET_IMAGE_CACHE") or Path(tempfile.gettempdir()) / "qfleet-image")
#: The image's own user, and one that it doesn't know.
USERS = ("", "12345:12345")
START_SECONDS = 120
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
#: What the stand-in of the image that the Dockerfile starts from has.
PACKAGES = "python3,python3-venv,python-is-python3,ca-certificates"


class Tool(Protocol):
    """A tool that builds an image and runs it."""

    def build(self) -> None: ...

    def worker(self, user: str, environment: dict[str, str]) -> Any:
        """Run a worker, and yield a function that runs a command beside it and returns the exit code."""


class Docker:
    """Docker or podman."""

    def __init__(self, program: str) -> None:
        self._program = program

    def build(self) -> None:
        run([self._program, "build", "-f", str(DOCKERFILE), "-t", IMAGE, str(ROOT)])

    @contextmanager
    def worker(self, user: str, environment: dict[str, str]) -> Iterator[Any]:
        name = f"qfleet-test-{os.getpid()}"
        options = ["--rm", "--network", "host", "--read-only", "--name", name, *(["--user", user] if user else [])]
        options += [part for variable in environment.items() for part in ("--env", "=".join(variable))]
        with started([self._program, "run", *options, IMAGE]) as process:
            try:
                yield process, lambda command: subprocess.run([self._program, "exec", name, *command]).returncode
            finally:
                subprocess.run([self._program, "stop", name], stdout=subprocess.DEVNULL, check=False)


class Buildah:
    """buildah with chroot: no engine, no registry."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise SystemExit("no Docker or podman that works; without one this must run as root, on Debian")
        os.environ["BUILDAH_ISOLATION"] = "chroot"
        CACHE.mkdir(parents=True, exist_ok=True)
        if not (shutil.which("buildah") and shutil.which("debootstrap")):
            run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "buildah", "debootstrap"])

    def build(self) -> None:
        for name in sorted(set(re.findall(r"^FROM +(\S+)", DOCKERFILE.read_text("utf-8"), re.MULTILINE))):
            self._stand_in(name if "/" in name else f"docker.io/library/{name}")
        options = ["--layers", "--pull-never", "--network", "host", *self._lent()]
        run(["buildah", "bud", *options, "-f", str(DOCKERFILE), "-t", IMAGE, str(ROOT)])

    def _stand_in(self, name: str) -> None:
        if read(["buildah", "images", "-q", "--filter", f"reference={name}"]):
            return
        system, done = CACHE / "rootfs", CACHE / "rootfs.done"
        if not done.exists():
            shutil.rmtree(system, ignore_errors=True)
            run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(system)])
            done.touch()
        container = read(["buildah", "from", "scratch"])
        run(["cp", "-a", f"{system}/.", read(["buildah", "mount", container])])
        run(["buildah", "commit", "--rm", "-q", container, name])

    def _lent(self) -> list[str]:
        """Return this machine's settings and certificates of pip, which the build uses and the image lacks."""
        settings = configparser.RawConfigParser()
        settings.read(["/etc/pip.conf", *(Path.home() / name for name in (".pip/pip.conf", ".config/pip/pip.conf"))])
        variables = {
            name[4:].lower().replace("_", "-"): value for name, value in os.environ.items() if name[:4] == "PIP_"
        }
        settings.read_dict({"global": variables | {"cert": str(CERTIFICATES)}})
        with (CACHE / "pip.conf").open("w") as file:
            settings.write(file)
        roots = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE") or str(CERTIFICATES)
        folders = [folder for folder in os.environ.get("PIP_FIND_LINKS", "").split() if Path(folder).is_dir()]
        lent = {str(CACHE / "pip.conf"): "/etc/pip.conf", str(Path(roots).resolve()): str(CERTIFICATES)}
        lent |= {folder: folder for folder in folders}
        return [part for there, here in lent.items() for part in ("-v", f"{there}:{here}:ro")]

    @contextmanager
    def worker(self, user: str, environment: dict[str, str]) -> Iterator[Any]:
        container = read(["buildah", "from", "--pull-never", IMAGE])
        try:
            image = json.loads(read(["buildah", "inspect", container]))["OCIv1"]["config"]
            inside = ["buildah", "run", "--hostname", "qfleet-image", "--user", user or image.get("User") or "root"]
            inside += [part for variable in environment.items() for part in ("--env", "=".join(variable))]
            inside += [container, "--"]
            with started([*inside, *image["Entrypoint"]]) as process:
                yield process, lambda command: subprocess.run([*inside, *command]).returncode
        finally:
            run(["buildah", "rm", container])


def find_tool() -> Tool:
    """Return the best tool of this machine."""
    for program in ("docker", "podman"):
        with contextlib.suppress(OSError):
            if subprocess.run([program, "info"], capture_output=True, check=False).returncode == 0:
                return Docker(program)
    return Buildah()


def run(command: list[str]) -> None:
    """Run a command that must succeed; its output is told."""
    print("+", *command[:3], "...", flush=True)
    subprocess.run(command, check=True)


def read(command: list[str]) -> str:
    """Return the output of a command that must succeed."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that leads a group, which ends with the context."""
    process = subprocess.Popen(command, start_new_session=True)
    try:
        yield process
    finally:
        for ending in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, ending)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)


def health_check() -> list[str]:
    """Return the command of the Dockerfile's HEALTHCHECK, which buildah doesn't keep."""
    found = re.search(r"HEALTHCHECK.*?CMD\s+(\[.*?\])", DOCKERFILE.read_text("utf-8"), re.DOTALL)
    if found is None:
        raise SystemExit(f"{DOCKERFILE} has no HEALTHCHECK")
    command: list[str] = json.loads(found[1])
    return command


def check(tool: Tool, user: str, url: str) -> None:
    """Start a worker as a user, wait until it is well, and run a circuit."""
    print(f"== a worker as {user or 'the user of the image'}", flush=True)
    with FleetProvider(url) as provider, tool.worker(user, {"QFLEET_URL": url}) as (process, inside):

        def is_well() -> bool:
            if process.poll() is not None:
                raise SystemExit(f"the worker ended with {process.returncode}")
            return bool(inside(health_check()) == 0)

        until(is_well, "the health check passes", seconds=START_SECONDS)
        engines = {(worker.engine, worker.engine_reason) for worker in provider.workers()}
        if {engine for engine, _ in engines} != {"statevector"}:
            raise SystemExit(f"the worker runs circuits with another engine: {engines}")
        for num_qubits, method in ((2, "statevector"), (100, "stabilizer"), (100, "matrix_product_state")):
            ghz = QuantumCircuit(num_qubits)
            ghz.h(0)
            ghz.cx(range(num_qubits - 1), range(1, num_qubits))
            ghz.measure_all()
            result = provider.get_backend().run(ghz, shots=1000, method=method).result(timeout=60)
            if set(result.get_counts()) != {"0" * num_qubits, "1" * num_qubits}:
                raise SystemExit(f"{method}: {result.get_counts()}")
            metadata = result.results[0].metadata
            print(method, result.get_counts(), metadata["engine"], f"{metadata['time_taken']:.3f} s")


def main() -> None:
    """Build the image, and run it as each user."""
    tool = find_tool()
    tool.build()
    for user in USERS:
        with ExitStack() as stack:
            port = stack.enter_context(redis_server())
            check(tool, user, f"redis://127.0.0.1:{port}/0")
    print("The image builds, starts and runs a circuit.")


if __name__ == "__main__":
    main()
