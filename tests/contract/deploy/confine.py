"""Run a command as under systemd's SystemCallFilter= and MemoryDenyWriteExecute=: `confine.py NAMES COMMAND`.

NAMES are the system calls that are allowed, separated by commas; every other one is EPERM.
"""

import ctypes
import errno
import os
import sys

ERROR = 0x00050000 | errno.EPERM
ALLOW = 0x7FFF0000
PR_SET_MDWE = 65
REFUSE_EXEC_GAIN = 1

libc = ctypes.CDLL(None, use_errno=True)
# Kernels before 6.3 do not know it; systemd itself uses a filter there.
if libc.prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0) and ctypes.get_errno() != errno.EINVAL:
    sys.exit(os.strerror(ctypes.get_errno()))

seccomp = ctypes.CDLL("libseccomp.so.2")
seccomp.seccomp_init.restype = ctypes.c_void_p
rules = ctypes.c_void_p(seccomp.seccomp_init(ERROR))
for name in sys.argv[1].split(","):
    number = seccomp.seccomp_syscall_resolve_name(name.encode())
    if number >= 0:  # else another architecture's
        seccomp.seccomp_rule_add_array(rules, ALLOW, number, 0, None)
if seccomp.seccomp_load(rules):
    sys.exit("the filter cannot be loaded")
os.execv(sys.argv[2], sys.argv[2:])
