# SPDX-License-Identifier: GPL-2.0-or-later
"""Outcomes, counted by operation, kind of event and way to strike."""


class Table:
    def __init__(self):
        self.rows, self.bad = {}, 0

    def count(self, op, kind, how, outcome):
        row = self.rows.setdefault((op.name, kind, how), {})
        row[outcome] = row.get(outcome, 0) + 1

    def fail(self, op, where, why, detail):
        """Where the operation is not ours to judge, it is told all the same."""
        self.bad += op.judged
        print("%s - %s, %s: %s" % ("not ok" if op.judged else "# lost", op.name, where, why))
        print("    # " + detail.strip().replace("\n", "\n    # "), flush=True)

    def totals(self):
        total = {}
        for (name, _, _), row in self.rows.items():
            mine = total.setdefault("driverctl" if name.startswith("driverctl") else "thruway", {})
            for o, n in row.items():
                mine[o] = mine.get(o, 0) + n
        return total

    def show(self):
        print("# %-25s %-8s %-8s %s" % ("operation", "at", "strike", "cases: outcome"))
        for (name, kind, how), row in self.rows.items():
            print("# %-25s %-8s %-8s %s" % (name, kind, how, words(row)))
        total = self.totals()
        for tool, row in sorted(total.items(), reverse=True):
            print("# %s: %d cases: %s" % (tool, sum(row.values()), words(row)))
        n = sum(total.get("thruway", {}).values())
        if n and not self.bad:
            print("ok - thruway: %d strikes, each one undone or done whole" % n)


def words(row):
    return ", ".join("%d %s" % (n, o) for o, n in sorted(row.items()))
