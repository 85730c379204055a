# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the cases of cases.py and web_cases.py, several at a time: most of each is waiting."""

import concurrent.futures
import os
import shutil
import sys
import tempfile
import traceback

import cases
import web_cases
from case import Case

AT_A_TIME = 8


def run(name, function, authorities):
    """None, or what went wrong."""
    directory = tempfile.mkdtemp(prefix="natbridge-agent-")
    case = Case(directory, authorities)
    try:
        function(case)
        case.end()
        return None
    except Exception:
        return traceback.format_exc()
    finally:
        case.clean()
        shutil.rmtree(directory)


def main():
    names = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    chosen = [(name, function) for name, function in {**vars(cases), **vars(web_cases)}.items()
              if getattr(function, "is_case", False) and (not names or any(part in name for part in names))]
    if "--list" in sys.argv:
        print("\n".join(name for name, _ in chosen))
        return 0
    if not shutil.which("openssl"):
        print("1..0 # SKIP openssl is missing; run: sudo make deps")
        return 0
    print(f"1..{len(chosen)}", flush=True)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="natbridge-agent-") as directory:
        authorities = cases.make_authorities(directory)
        with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
            results = [(name, function, pool.submit(run, name, function, authorities)) for name, function in chosen]
            for number, (name, function, result) in enumerate(results, 1):
                wrong = result.result()
                print(f"{'not ok' if wrong else 'ok'} {number} - {name}: {function.__doc__.splitlines()[0]}")
                if wrong:
                    failed += 1
                    print("\n".join("# " + line for line in wrong.splitlines()))
                sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    os.environ["LC_ALL"] = "C"
    sys.exit(main())
