#!/usr/bin/env python3
# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Times yangc, yanglint and pyang on each module of a folder by itself, parse and compile, the folder as search path.

Usage: compile.py YANGC FOLDER [MAXIMUM]. Of a larger folder evenly spread modules are taken; pyang gets every tenth.
"""
import os, pathlib, re, shutil, subprocess, sys


def run(command):
    """Seconds of processor time, which the machine's other work does not add to, and whether the module was accepted."""
    process = subprocess.Popen(["timeout", "120"] + command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime, process.returncode == 0


def main():
    yangc, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    maximum = int(sys.argv[3]) if len(sys.argv) > 3 else 200
    is_module = re.compile(rb"^\s*module\s", re.MULTILINE)
    files = sorted(path for path in folder.rglob("*.yang") if is_module.search(path.read_bytes()))
    files = files[:: max(1, len(files) // maximum)][:maximum]
    tools = {"yangc": lambda path: [yangc, "check", "--quiet", "-p", str(folder), str(path)]}
    if shutil.which("yanglint"):
        tools["yanglint"] = lambda path: ["yanglint", "-p", str(folder), str(path)]
    totals = dict.fromkeys(tools, 0.0)
    common = 0
    for path in files:
        times = {name: run(command(path)) for name, command in tools.items()}
        # What is refused early takes less time than what is compiled.
        if all(accepted for _, accepted in times.values()):
            common += 1
            for name, (seconds, _) in times.items():
                totals[name] += seconds
    for name, seconds in totals.items():
        print(f"{name}: {1000 * seconds / max(1, common):.1f} ms a module, over {common} modules of {folder}")
    if shutil.which("pyang"):
        ours, theirs = 0.0, 0.0
        for path in files[::10]:
            ours += run(tools["yangc"](path))[0]
            theirs += run(["pyang", "-p", str(folder), str(path)])[0]
        print(f"pyang: {theirs / max(ours, 1e-9):.1f} times as long as yangc, over {len(files[::10])} modules")


main()
