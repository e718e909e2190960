# SPDX-License-Identifier: Apache-2.0
"""Several hosts on one machine: network namespaces on one bridge.

They need Linux with iproute2, and root. The machine's own interfaces, addresses and routes stay as they are; files,
users and process ids are shared. A host reaches the other hosts and itself.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

_PREFIX = "qfleet-test"
#: Beyond the addresses that real networks use for examples: RFC 2544 has them for tests of networks.
_SUBNET = "198.18.0"


class NoNetworkError(AssertionError):
    """A reason why network namespaces can't be made here."""


def _ip(*arguments: str) -> str:
    """Run ``ip``, and return what it prints."""
    done = subprocess.run(["ip", *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        raise NoNetworkError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Host:
    """A host of a network, with its own name and address."""

    #: its host name
    name: str
    address: str
    #: its network namespace
    space: str
    hub: str
    #: the bridge's end of its cable
    cable: str

    def command(self, *arguments: str) -> list[str]:
        """Return a command that runs a program in this host.

        The program keeps the process id.
        """
        named = ["unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"', self.name]
        return ["ip", "netns", "exec", self.space, *named, *arguments]

    def cut(self) -> None:
        """Cut the host off: open connections get neither data nor a reset."""
        _ip("-n", self.hub, "link", "set", self.cable, "down")

    def join(self) -> None:
        """Join the host again."""
        _ip("-n", self.hub, "link", "set", self.cable, "up")

    def slow_down(self, kbits: int, delay_ms: int) -> str:
        """Make the cable slow in both directions, and return how.

        A kernel without netem limits the rate only.

        Args:
            kbits: the rate, in kilobits a second.
            delay_ms: the time that a packet takes, in milliseconds.
        """
        ends = [(self.hub, self.cable), (self.space, "eth0")]
        ways = {
            "netem": ["netem", "rate", f"{kbits}kbit", "delay", f"{delay_ms}ms"],
            "tbf": ["tbf", "rate", f"{kbits}kbit", "burst", "2kb", "latency", "2000ms"],
        }
        for name, way in ways.items():
            commands = [["tc", "-n", space, "qdisc", "add", "dev", device, "root", *way] for space, device in ends]
            if all(subprocess.run(each, check=False, capture_output=True).returncode == 0 for each in commands):
                return name
        raise NoNetworkError("this kernel has neither the qdisc netem nor tbf")


class Network:
    """The hosts of one network, which end with `network`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._hub = f"{name}-hub"
        self._numbers = itertools.count(1)

    def build(self) -> None:
        """Make the bridge in a namespace of its own."""
        _ip("netns", "add", self._hub)
        _ip("-n", self._hub, "link", "add", "bridge", "type", "bridge", "forward_delay", "0")
        _ip("-n", self._hub, "link", "set", "bridge", "up")

    def add(self, name: str) -> Host:
        """Add a host.

        Args:
            name: its host name.
        """
        number = next(self._numbers)
        host = Host(name, f"{_SUBNET}.{number}", f"{self._name}-{number}", self._hub, f"cable{number}")
        _ip("netns", "add", host.space)
        inside = ["-n", host.space]
        _ip(*inside, "link", "set", "lo", "up")
        ends = ["link", "add", host.cable, "type", "veth", "peer", "name", "eth0", "netns", host.space]
        _ip("-n", host.hub, *ends)
        _ip("-n", host.hub, "link", "set", host.cable, "master", "bridge", "up")
        _ip(*inside, "address", "add", f"{host.address}/24", "dev", "eth0")
        _ip(*inside, "link", "set", "eth0", "up")
        return host


@contextmanager
def network() -> Iterator[Network]:
    """Yield a network without hosts, and remove it afterwards.

    Processes in its hosts are killed.

    Raises:
        NoNetworkError: this machine can't have it.
    """
    if os.geteuid() != 0:
        raise NoNetworkError("network namespaces need root")
    missing = [program for program in ("ip", "tc", "unshare", "hostname") if shutil.which(program) is None]
    if missing:
        raise NoNetworkError(f"no program {missing[0]}: install iproute2, util-linux and hostname")
    for process in _networks() - set(psutil.pids()):
        _remove(f"{_PREFIX}-{process}")  # its test run was killed
    name = f"{_PREFIX}-{os.getpid()}"
    try:
        made = Network(name)
        made.build()
        yield made
    finally:
        _remove(name)


def _spaces() -> list[str]:
    return [line.split()[0] for line in _ip("netns", "list").splitlines() if line]


def _networks() -> set[int]:
    """Return the processes that made the networks that are there."""
    found = (re.fullmatch(rf"{_PREFIX}-(\d+)-\w+", name) for name in _spaces())
    return {int(match[1]) for match in found if match}


def _remove(network: str) -> None:
    """Kill what runs in a network's hosts, and remove the hosts."""
    for space in _spaces():
        if space.startswith(f"{network}-"):
            for process in _ip("netns", "pids", space).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process), signal.SIGKILL)
            _ip("netns", "delete", space)
