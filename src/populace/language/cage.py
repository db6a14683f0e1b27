"""What runs inside the sandbox: guards first, then a program, then its tests one by one.

Started as a script by `populace.language.sandbox`, with the standard library alone. Each guard that
the system has is closed for good before the program is read; which ones were is reported.
"""

import ctypes
import json
import os
import platform
import resource
import runpy
import struct
import sys
from collections.abc import Callable
from typing import Any

Say = Callable[[str, Any], None]

# system calls by machine (Linux's asm/unistd.h): those that leave the process, reach the network,
# change what files are, or lift a limit; and the audit number of the machine, and of clone
_CALLS: dict[str, tuple[int, dict[str, int], int]] = {
    "x86_64": (0xC000003E, {
        "socket": 41, "connect": 42, "bind": 49, "fork": 57, "vfork": 58, "execve": 59, "kill": 62,
        "chmod": 90, "fchmod": 91, "chown": 92, "fchown": 93, "lchown": 94, "ptrace": 101,
        "setrlimit": 160, "settimeofday": 164, "mount": 165, "umount2": 166, "reboot": 169,
        "init_module": 175, "tkill": 200, "clock_settime": 227, "tgkill": 234, "fchownat": 260,
        "fchmodat": 268, "unshare": 272, "prlimit64": 302, "setns": 308, "process_vm_writev": 311,
        "finit_module": 313, "bpf": 321, "execveat": 322, "io_uring_setup": 425, "fchmodat2": 452,
    }, 56),
    "aarch64": (0xC00000B7, {
        "umount2": 39, "mount": 40, "fchmod": 52, "fchmodat": 53, "fchownat": 54, "fchown": 55,
        "unshare": 97, "init_module": 105, "clock_settime": 112, "ptrace": 117, "kill": 129,
        "tkill": 130, "tgkill": 131, "reboot": 142, "setrlimit": 164, "settimeofday": 170,
        "socket": 198, "bind": 200, "connect": 203, "execve": 221, "prlimit64": 261, "setns": 268,
        "process_vm_writev": 271, "finit_module": 273, "bpf": 280, "execveat": 281,
        "io_uring_setup": 425, "fchmodat2": 452,
    }, 220),
}  # fmt: skip
_CLONE3 = 435  # on both
_THREAD = 0x00010000  # CLONE_THREAD
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2
_LANDLOCK = (444, 445, 446)  # create_ruleset, add_rule, restrict_self; on both
_WRITES = sum(1 << bit for bit in (1, *range(4, 13)))  # write, remove, make: Landlock ABI 1


def limit(seconds: int, memory: int, written: int) -> None:
    """Set the resource limits that every child would inherit."""
    for what, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, written),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(what, (most, most))


def forbid_calls(libc: ctypes.CDLL) -> bool:
    """Let system calls fail that start processes, signal others or open sockets (seccomp)."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _CALLS:
        return False
    arch, calls, clone = _CALLS[machine]

    def op(code: int, k: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("HBBI", code, yes, no, k)

    load, equal, bits, give = 0x20, 0x15, 0x45, 0x06
    allow, refuse, absent, kill = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000  # EPERM, ENOSYS
    code = [op(load, 4), op(equal, arch, 1, 0), op(give, kill), op(load, 0)]
    if machine == "x86_64":  # the x32 numbers are another way to the same calls
        code += [op(0x35, 0x40000000, 0, 1), op(give, kill)]
    for number in calls.values():
        code += [op(equal, number, 0, 1), op(give, refuse)]
    code += [op(equal, _CLONE3, 0, 1), op(give, absent)]  # libraries then use clone
    code += [op(equal, clone, 0, 3), op(load, 16), op(bits, _THREAD, 1, 0), op(give, refuse)]
    code += [op(give, allow)]
    buffer = ctypes.create_string_buffer(b"".join(code))
    program = ctypes.create_string_buffer(struct.pack("HP", len(code), ctypes.addressof(buffer)))
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return False
    return bool(libc.prctl(_SECCOMP, _FILTER, program, 0, 0) == 0)


def forbid_writes(libc: ctypes.CDLL, folder: str | None) -> bool:
    """Let files be written, made and removed beneath `folder` only, or nowhere (Landlock)."""
    if sys.platform != "linux" or platform.machine() not in _CALLS:
        return False
    create, add, restrict = _LANDLOCK
    version = libc.syscall(create, None, 0, 1)
    if version < 1:
        return False
    writes = _WRITES | (1 << 13 if version >= 2 else 0) | (1 << 14 if version >= 3 else 0)
    handled = ctypes.create_string_buffer(struct.pack("Q", writes))
    rules = libc.syscall(create, handled, 8, 0)
    if rules < 0:
        return False
    added = True
    if folder is not None:
        within = os.open(folder, os.O_PATH)
        rule = ctypes.create_string_buffer(struct.pack("=Qi", writes, within))
        added = libc.syscall(add, rules, 1, rule, 0) == 0
        os.close(within)
    closed = (
        added
        and libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
        and libc.syscall(restrict, rules, 0) == 0
    )
    os.close(rules)
    return bool(closed)


def watch(folder: str, say: Say) -> None:
    """End the process where Python itself sees a forbidden act (audit events, PEP 578)."""
    folder = os.path.realpath(folder) + os.sep
    quit_now = os._exit
    banned = ("subprocess.", "socket.connect", "socket.bind", "socket.getaddrinfo", "os.exec",
              "os.fork", "os.posix_spawn", "os.system", "os.kill", "ctypes.", "pty.")  # fmt: skip

    def hook(event: str, args: Any) -> None:
        if event.startswith(banned) or (event == "socket.__new__" and args[1] != 1):
            say("refused", event)
            quit_now(3)
        writes = (
            event == "open"
            and isinstance(args[2], int)
            and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        )
        if writes and isinstance(args[0], (str, bytes)):
            path = os.path.realpath(os.fsdecode(args[0]))
            if not path.startswith(folder) and path != "/dev/null":
                say("refused", f"writing {path}")
                quit_now(3)

    sys.addaudithook(hook)


def main() -> None:
    """Run the program and the tests that the parent has put into this folder."""
    setup = json.loads(sys.stdin.readline())
    token, report = setup["token"], setup["report"]
    write, folder = os.write, os.getcwd()

    def say(what: str, value: Any) -> None:
        write(report, (json.dumps([what, value]) + "\n").encode())

    limit(setup["seconds"], setup["memory"], setup["written"])
    libc = ctypes.CDLL(None, use_errno=True)
    guards = ["limits"]
    guards += ["landlock"] if forbid_writes(libc, folder) else []
    guards += ["seccomp"] if forbid_calls(libc) else []
    watch(folder, say)
    say("guards", [*guards, "audit"])
    try:
        own = runpy.run_path(os.path.join(folder, "solution.py"), run_name="solution")
    except BaseException as error:
        say("broken", f"{type(error).__name__}: {error}"[:300])
    else:
        for i in range(setup["tests"]):
            try:
                runpy.run_path(os.path.join(folder, f"test_{i}.py"), init_globals=own)
            except BaseException as error:
                say("failed", [i, f"{type(error).__name__}: {error}"[:300]])
            else:
                say("passed", [i, token])
        say("done", token)
    os._exit(0)  # no atexit handler of the program has a word after this


if __name__ == "__main__":
    main()
