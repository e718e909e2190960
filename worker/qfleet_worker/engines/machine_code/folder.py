# SPDX-License-Identifier: Apache-2.0
"""The folder of the engines' machine code, found without numba.

Each set of machine code has a folder, named by all that it depends on (`cache_key`). A file there, the *mark*, is
written last: it names the other files with their hashes, so that what was cut short or damaged is noticed before any of
it is read.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Final

import msgspec

from qfleet_worker.engines.machine_code.key import cache_key
from qfleet_worker.engines.machine_code.trust import distrust, distrust_alone

MARK: Final = "ready"
#: Beside its modules lies what all users of an installation share.
PACKAGE: Final = Path(__file__).parent
#: What a mark may have, and a file that it names.
_LARGEST_MARK: Final = 1 << 20
_LARGEST_FILE: Final = 1 << 27
#: Machine code of other sources is removed once it is so old.
_OUTDATED_SECONDS: Final = 7 * 86_400
#: Seconds between two looks for what another process compiles.
_LOOK_SECONDS: Final = 0.5

_manifests: Final = msgspec.json.Decoder(dict[str, str])


class MachineCodeError(Exception):
    """Machine code can't be loaded or kept; the text says why."""


def folders() -> list[Path]:
    """Return the folders where fitting machine code may lie, in order.

    They are in ``NUMBA_CACHE_DIR``, if that is set. Otherwise they are beside the modules, which all users of an
    installation share, and in the user's own cache. There are none without numba.
    """
    try:
        key = cache_key()
    except (PackageNotFoundError, ImportError):
        return []
    return [root / key for root in _roots()]


def _roots() -> list[Path]:
    named = os.environ.get("NUMBA_CACHE_DIR")
    if named:
        return [Path(os.path.abspath(named)) / "qfleet"]
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    found = [PACKAGE / "__pycache__" / "machine-code"]
    return [*found, Path(caches) / "qfleet" / "machine-code"] if os.path.isabs(caches) else found


def marks() -> list[Path]:
    """Return the files that mark compiled machine code for this process.

    One of them exists once it is compiled.
    """
    return [folder / MARK for folder in folders()]


def is_ready() -> bool:
    """Tell whether fitting machine code is there.

    It is always False without numba.
    """
    return bool(ready_folders())


def ready_folders() -> list[Path]:
    """Return the folders that have a mark."""
    # os.path returns False where a folder may not be entered; Path raises.
    return [mark.parent for mark in marks() if os.path.exists(mark)]


def folder_to_fill() -> Path:
    """Return the folder to compile into, made if need be.

    Raises:
        MachineCodeError: no folder can be written.
    """
    reasons = []
    for folder in folders():
        try:
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as exc:
            reasons.append(f"{folder.parent} can't be written ({exc.strerror})")
            continue
        reason = distrust(folder)
        if not reason:
            return folder
        reasons.append(f"what lies in {folder.parent} isn't safe to load: {reason}")
    if not reasons:
        raise MachineCodeError("numba isn't installed")
    raise MachineCodeError(f"{'; '.join(reasons)}. Set NUMBA_CACHE_DIR to a folder that this user alone can write")


def mark(folder: Path | None = None) -> None:
    """Remember that a folder's machine code is complete.

    Raises:
        OSError: the mark can't be written.
        MachineCodeError: no folder can be written, or a file is too large.
    """
    folder = folder or folder_to_fill()
    names = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.nb[ic]"))
    manifest = msgspec.json.encode({name: _digest(folder / name) for name in names})
    with tempfile.NamedTemporaryFile(dir=folder, prefix=MARK, delete=False) as file:
        file.write(manifest)
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), 0o644)
    os.replace(file.name, folder / MARK)


def wait_for_compiler(seconds: float) -> bool:
    """Wait for another process that compiles for this one.

    Args:
        seconds: the longest wait.

    Returns:
        Whether machine code is there now.
    """
    end = time.monotonic() + seconds
    while not is_ready() and any(is_locked(folder) for folder in folders()) and time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
    return is_ready()


def lock_of(folder: Path) -> Path:
    """Return the file that a process locks while it compiles."""
    return folder.with_name(f"{folder.name}.lock")


def is_locked(folder: Path) -> bool:
    """Tell whether a process compiles into a folder."""
    try:
        with lock_of(folder).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def check(folder: Path) -> None:
    """Raise `MachineCodeError` unless a folder is whole and safe to load.

    All files that its mark names have to be there, and unchanged.
    """
    reason = distrust(folder)
    if reason:
        raise MachineCodeError(f"what lies in {folder} isn't safe to load: {reason}")
    if folder not in folders():
        raise MachineCodeError(f"what lies in {folder} is of other sources or libraries than there are now")
    try:
        manifest = _manifests.decode(_read(folder / MARK, _LARGEST_MARK))
        parts = {part for name in (*manifest, MARK) for part in (folder / name, (folder / name).parent)}
        reason = next(filter(None, map(distrust_alone, sorted(parts))), "")
        if reason:
            raise MachineCodeError(f"what lies in {folder} isn't safe to load: {reason}")
        for name, digest in manifest.items():
            if _digest(folder / name) != digest:
                raise MachineCodeError(f"{folder / name} is damaged")
    except (OSError, msgspec.MsgspecError) as exc:
        raise MachineCodeError(f"what lies in {folder} is damaged: {exc}") from exc


def clear(folder: Path) -> None:
    """Remove all that lies in a folder, the mark first.

    Raises:
        OSError: something can't be removed.
    """
    (folder / MARK).unlink(missing_ok=True)
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def drop_outdated(folder: Path) -> None:
    """Remove machine code of other sources, a week old or older.

    Only that of the same platform is removed.
    """
    platform = folder.name.partition("-")[0]
    for other in folder.parent.glob(f"{platform}-*"):
        if other == folder or not other.is_dir():
            continue
        # What has no mark is being compiled, or was never finished.
        latest = other / MARK if os.path.exists(other / MARK) else other
        with contextlib.suppress(OSError):
            if time.time() - latest.stat().st_mtime > _OUTDATED_SECONDS:
                shutil.rmtree(other, ignore_errors=True)


def _digest(path: Path) -> str:
    return blake2b(_read(path, _LARGEST_FILE), digest_size=16).hexdigest()


def _read(path: Path, largest: int) -> bytes:
    """Return a file's content, which must not be too large."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > largest:
            raise MachineCodeError(f"{path} is damaged: it has {size} bytes")
        return file.read(largest)
