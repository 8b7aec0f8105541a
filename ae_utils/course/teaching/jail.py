"""Shuts a process off before it runs somebody else's code: on Linux; on other systems only its time is limited.

The process is started behind ``unshare`` where that works: without a network, and without a view of other processes.
Inside, the file system is made read-only but for one folder, twice over: by mounts and by Landlock. It protects from
accidents and from pranks. Somebody who attacks the kernel needs a machine of his own to be locked up in.
"""

import ctypes
import functools
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

COMMANDS = (  # the first that works is used
    ("unshare", "-r", "-n", "-p", "-m", "-i", "-f", "--kill-child", "--mount-proc"),
    ("unshare", "-r", "-n", "-p", "-f", "--kill-child"),
    ("unshare", "-r", "-n"),
)
LARGEST_FILE = 64 << 20
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # system calls, the same on every kind of processor
MOUNT_SETATTR = 442
NO_NEW_PRIVILEGES = 38
WRITE_FILE, TRUNCATE = 1 << 1, 1 << 14
WRITES = WRITE_FILE | 0x1FF0  # and: remove and make files, folders, links, devices
BY_VERSION = {2: 1 << 13, 3: TRUNCATE}  # what later versions of Landlock know: move between folders, truncate
HERE, RECURSIVE, READ_ONLY, BIND = -100, 0x8000, 1, 4096


@functools.cache
def launcher() -> tuple[str, ...]:
    """What a command is put behind; nothing where the system has or allows no such thing."""
    for command in COMMANDS if sys.platform == "linux" else ():
        try:
            if subprocess.run([*command, "true"], capture_output=True, timeout=30, check=False).returncode == 0:
                return command
        except (OSError, subprocess.TimeoutExpired):
            continue
    return ()


def lock(folder: Path, memory: int, seconds: float, command: Sequence[str]) -> list[str]:
    """Keep this process from writing outside ``folder``, and limit what it takes; returns what could not be had.

    ``memory`` is in bytes, and on top of what the process has now; ``command`` is what it was started behind.
    """
    missing = [] if _limits(memory, seconds) else ["a limit of memory"]
    if sys.platform == "linux":
        mounted = "-m" in command and _read_only_mounts(folder)  # never in the mount namespace of everybody
        landlocked = _landlock(folder)
    else:
        mounted, landlocked = False, 0
    if not (mounted or landlocked):
        missing.append("write protection of other folders")
    if landlocked < 4 and "-n" not in command:
        missing.append("a network that is shut off")
    return missing


def _limits(memory: int, seconds: float) -> bool:
    if sys.platform == "win32":
        return False
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 1))
    if sys.platform != "linux":
        return False
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
    return True


def _read_only_mounts(folder: Path) -> bool:
    """In a mount namespace of its own: everything read-only, ``folder`` excepted."""
    libc = ctypes.CDLL(None, use_errno=True)
    path = os.fsencode(folder)

    def set_attributes(where: bytes, flags: int, add: int, remove: int) -> int:
        attributes = (ctypes.c_uint64 * 4)(add, remove, 0, 0)
        return libc.syscall(MOUNT_SETATTR, HERE, where, flags, ctypes.byref(attributes), ctypes.sizeof(attributes))

    done = (
        libc.mount(path, path, None, BIND, None) == 0
        and set_attributes(b"/", RECURSIVE, READ_ONLY, 0) == 0
        and set_attributes(path, 0, 0, READ_ONLY) == 0
    )
    os.chdir(folder)  # from the folder itself to what was mounted there
    return done


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def _landlock(folder: Path) -> int:
    """Forbid writing outside ``folder``, TCP, and signals to others, for ever; returns Landlock's version, or 0."""
    libc = ctypes.CDLL(None, use_errno=True)
    version = max(libc.syscall(CREATE_RULESET, None, 0, 1), 0)
    if version == 0:
        return 0
    writes = WRITES | sum(right for since, right in BY_VERSION.items() if version >= since)
    rules = _Ruleset(writes, 3, 3)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = libc.syscall(CREATE_RULESET, ctypes.byref(rules), size, 0)
    for path, rights in ((folder, writes), (Path(os.devnull), writes & (WRITE_FILE | TRUNCATE))):
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)  # type: ignore[attr-defined, unused-ignore]
        libc.syscall(ADD_RULE, ruleset, 1, ctypes.byref(_Beneath(rights, parent)), 0)
        os.close(parent)
    done = libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0 and libc.syscall(RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return version if done else 0
