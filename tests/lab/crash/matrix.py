#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Strike a tool at each thing it does, recover, and see whether all is as it was.

usage: matrix.py SHIM [PATTERN]     (operations whose name matches; !PATTERN: the others)

For each operation (operations.py) a first run counts what it does: states of its journal
or record, writes to sysfs, attributes set by netlink, NVMe commands. Then once for each of
these and each way to strike there it is run again: killed before or behind it, or the call
fails with EIO or ENOSPC. After the tool's own recovery the host must be as it was before,
or, if the strike came behind the end of the work, as it was to be, and then undoing must
bring back what was before. driverctl has no recovery: what it left half done is undone by
hand, and where that does not bring back what was, the row says so.
"""

import os
import re
import sys
import time

from host_state import difference, state
from operations import OPERATIONS, SPEC, SPEC_FILE
from table import Table
from tool import TMP, entries, forget, must, output, settle, sh, struck, wait_for


def prepare(op):
    for c in op.setup:
        must(c)
    if op.setup:  # what was prepared is no change of ours: the journal begins empty
        forget()


def clean(op):
    for c in op.teardown:
        must(c)
    forget()


def cases(op, events):
    for i, event in enumerate(events):
        for how in op.hows:
            how = how.split("|")[i % 2] if "|" in how else how
            if not (event[1] == "nvme" and how == "ENOSPC"):
                yield event, how
    if op.hows and "after" not in op.hows:
        yield events[-1], "after"


class Matrix:
    def __init__(self, shim):
        self.shim, self.table = shim, Table()

    def fail(self, op, where, why, detail):
        self.table.fail(op, where, why, detail + "\n" + output())

    def undo(self, op, where, home):
        r = sh(op.undo)
        if r.returncode:
            self.fail(op, where, "undoing failed", r.stdout)
        now = wait_for(home)
        if now != home:
            self.fail(op, where, "the host is not as it was at first", difference(home, now))
            self.repair(op)
        return now == home

    def recovered(self, op, where, start, end, status):
        """What is there once the tool itself has recovered, and its name. An undoing that said
        that it failed may want to be run again, as it says."""
        settle()
        r = sh(op.recover) if op.recover else None
        if r and r.returncode:
            self.fail(op, where, "recover failed", r.stdout)
        now = wait_for(start, end)
        outcome = "done" if now == end else "as before" if now == start else "by hand"
        if outcome == "by hand" and op.recover and not (op.again and status > 0):
            self.fail(op, where, "the host is not as it was", difference(start, now))
        return now, outcome

    def one(self, op, start, end, event, how):
        number, kind, what = event
        where = "%s at %s %s" % (how, kind, what)
        home = end if op.again else start
        status, _ = struck(self.shim, op.command, number, how)
        now, outcome = self.recovered(op, where, start, end, status)
        if status == 0 and now != end:
            self.fail(op, where, "it said it was done", difference(end, now))
        if now != home and not self.undo(op, where, home):
            outcome = "LOST"
        elif op.recover and entries():
            self.fail(op, where, "entries are left in the journal", " ".join(entries()))
        self.table.count(op, kind, how, outcome)
        if op.again:
            must(op.again)

    def repair(self, op):
        forget()
        clean(op)
        prepare(op)

    def unstruck(self, op, home):
        """Run it once to its end. What was there before it and behind it, and its events."""
        if op.again:
            must(op.again)
        start = state()
        status, events = struck(self.shim, op.command)
        end = state()
        if status or end == start or op.again and end != home:
            self.fail(op, "without a strike", "it does not do its work", difference(home, end))
            return start, end, []
        if op.again:
            must(op.again)
        else:
            back = self.undo(op, "without a strike", home)
            self.table.count(op, "-", "none", "as before" if back else "LOST")
        return start, end, events

    def operation(self, op):
        begin = time.time()
        prepare(op)
        start, end, events = self.unstruck(op, state())
        todo = list(cases(op, events))
        for event, how in todo:
            self.one(op, start, end, event, how)
        if op.again:
            self.undo(op, "at the end", end)
        clean(op)
        print("# %s: %d events, %d cases, %d s" % (op.name, len(events), len(todo), time.time() - begin),
              flush=True)


def wanted(name, pattern):
    return not re.search(pattern[1:], name) if pattern[:1] == "!" else re.search(pattern, name)


def main():
    os.makedirs(TMP, exist_ok=True)
    with open(SPEC_FILE, "w") as f:
        f.write(SPEC)
    m = Matrix(sys.argv[1])
    for op in OPERATIONS:
        if wanted(op.name, sys.argv[2] if len(sys.argv) > 2 else ""):
            m.operation(op)
    m.table.show()


main()
