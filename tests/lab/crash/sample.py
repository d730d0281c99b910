#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A sample of the crash matrix, for the gate: each kind of event with each way to strike there.

usage: sample.py SHIM

No first run counts the events, so a case is "the n-th of its kind"; n changes with the day,
and OFFSET=N says it. What an operation that had ended should have made is matrix.py's to see.
"""

import os
import sys
import time

from host_state import difference, state
from operations import BOUND, GONE, SAMPLE, SPEC, SPEC_FILE, VFS
from table import Table
from tool import TMP, entries, forget, must, output, settle, sh, struck, wait_for


def one(table, op, kind, how, number, start):
    where = "%s at %s %d" % (how, kind, number)
    status, events = struck(sys.argv[1], op.command, number, how, kind)
    if sum(e[1] == kind for e in events) < number or status > 0 and how in ("before", "after"):
        table.fail(op, where, "nothing was struck", output())
    settle()
    r = sh(op.recover)
    now, outcome = state() if entries() else wait_for(start), "as before"
    if r.returncode:
        table.fail(op, where, "recover failed", r.stdout)
    if now != start and entries():
        outcome = "done"
        sh(op.undo)
        now = wait_for(start)
    if now != start or entries():
        outcome = "DIFFERS"
        table.fail(op, where, "the host is not as it was", difference(start, now) + "\n" + output())
        sh(op.undo)
        forget()
    table.count(op, kind, how, outcome)


def main():
    offset = int(os.environ.get("OFFSET") or time.time() // 86400)
    print("# OFFSET=%d" % offset)
    os.makedirs(TMP, exist_ok=True)
    with open(SPEC_FILE, "w") as f:
        f.write(SPEC)
    for c in (VFS, BOUND):
        must(c)
    forget()
    table, start = Table(), state()
    for op, strikes in SAMPLE:
        begin = time.time()
        for kind, how, least in strikes:
            one(table, op, kind, how, 1 + offset % least, start)
        print("# %s: %.1f s" % (op.name, time.time() - begin))
    for c in GONE:
        must(c)
    forget()
    table.show()


main()
