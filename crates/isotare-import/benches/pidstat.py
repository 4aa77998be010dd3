#!/usr/bin/env python3
"""What pidstat.rs does, as one would write it in Python: the mean of each column of each process. `pidstat.py FILE`"""

import sys
import time


def means(path):
    sums = {}
    names = []
    with open(path) as file:
        for line in file:
            fields = line.split()
            if not fields or fields[0] == "Linux" or fields[0].startswith("Average"):
                continue
            if fields[-1] == "Command" and "PID" in fields:
                names = fields[1:]
                pid = names.index("PID")
                values = [at for at, name in enumerate(names) if name not in ("UID", "PID", "CPU", "Command")]
                continue
            row = line.split(None, len(names))[1:]
            key = (row[pid], row[-1].rstrip())
            found = sums.get(key)
            if found is None:
                found = sums[key] = [0] + [0.0] * len(values)
            found[0] += 1
            for place, at in enumerate(values, 1):
                found[place] += float(row[at])
    columns = [names[at] for at in values]
    return {key: dict(zip(columns, (total / found[0] for total in found[1:]))) for key, found in sums.items()}


if __name__ == "__main__":
    start = time.perf_counter()
    found = means(sys.argv[1])
    print(f"{len(found)} processes in {time.perf_counter() - start:.2f} s")
    for key, columns in list(found.items())[:3]:
        print(key, columns)
