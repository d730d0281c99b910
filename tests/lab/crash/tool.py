# SPDX-License-Identifier: GPL-2.0-or-later
"""Running the tool that is struck, and its journal from outside."""

import fcntl
import glob
import os
import signal
import subprocess
import sys
import time

from host_state import PF0, netdev, read, state
from operations import SPEC_FILE

TMP = os.path.dirname(SPEC_FILE)
LOCK = "/run/thruway/lock"


def sh(words):
    return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)


def must(words):
    r = sh([netdev(PF0) if w == "NETDEV0" else w for w in words])
    if r.returncode:
        print("not ok - %s" % " ".join(words))
        print("    # " + r.stdout.replace("\n", "\n    # "))
        sys.exit(0)


def struck(shim, words, at=0, how="", kind=""):
    """Run it with the shim. Its exit status (negative: the signal it died of) and the events."""
    for name in ("count", "log"):
        if os.path.exists(TMP + "/" + name):
            os.unlink(TMP + "/" + name)
    env = dict(os.environ, LD_PRELOAD=shim, FAULT_COUNT=TMP + "/count", FAULT_AT=str(at), FAULT_HOW=how,
               FAULT_KIND=kind, FAULT_LOG=TMP + "/log")
    with open(TMP + "/output", "w") as out:
        r = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env)
    # number, kind, what
    return r.returncode, [tuple(l.split(" ", 2)) for l in read(TMP + "/log").splitlines()]


def output():
    return read(TMP + "/output")


def settle():
    """A child of the killed one may still be in its write, with the lock."""
    if os.path.exists(LOCK):
        with open(LOCK) as f:
            signal.alarm(60)
            fcntl.flock(f, fcntl.LOCK_EX)
            signal.alarm(0)


def wait_for(*wanted):
    """The state, given a moment to become one of these."""
    for _ in range(10):
        now = state()
        if now in wanted:
            break
        time.sleep(0.1)
    return now


def entries():
    """Names with a dot are what a killed writer left, and nobody reads."""
    return glob.glob("/run/thruway/journal/[0-9]*")


def forget():
    for f in entries():
        os.unlink(f)
