"""python -m tests.conformance: the table, on our engine and on the original's where that is installed.

usage: python -m tests.conformance [--faults]

--faults: name each row that does not hold, too. The exit status is 1 when our engine breaks one that is not among
the exceptions and decisions (decisions.py).
"""

from __future__ import annotations

import sys

from tests.conformance import report
from tests.conformance.decisions import DECISIONS, EXCEPTIONS
from tests.conformance.ours import Ours
from tests.conformance.rows import ROWS
from tests.support.libraries import THEIRS, version


def main(arguments: list[str]) -> int:
    """Run, print, and say whether ours is as it should be."""
    results = [report.Result(Ours)]
    if version(THEIRS):
        from tests.conformance.original import Original

        results.append(report.Result(Original))
    print(f"{len(ROWS)} rows, held/checked\n")
    print(report.write_table(results))
    print(f"\n{results[0].name}: decided otherwise")
    for name, reason in {**EXCEPTIONS, **DECISIONS}.items():
        print(f"  {name}: {reason}")
    if "--faults" in arguments:
        for result in results:
            print(f"\n{result.name}: what does not hold\n{report.write_faults(result)}")
    known = {**EXCEPTIONS, **DECISIONS}
    unknown = [fault for fault in results[0].faults if fault.row.id not in known]
    for fault in unknown:
        print(f"neither held nor decided: {fault.row.id}")
    return 1 if unknown else 0


sys.exit(main(sys.argv[1:]))
