#!/usr/bin/env python3
# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Measures a secyd with its input and output, over a veth pair between two namespaces. Needs root.

Usage: secyd.py FOLDER-OF-THE-PROGRAMS [SECONDS]. Prints a line of JSON for each measurement: frames in a second of wall
time, and of the time that secyd had on a core.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Tests/Interop"))
import secydcontrol as control  # noqa: E402

PROGRAMS = pathlib.Path(sys.argv[1])
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 3
KEY = (b"\0" * 7 + b"\1") * 2


def core_time(end):
    fields = pathlib.Path(f"/proc/{end.process.pid}/stat").read_text().split()
    return sum(int(ticks) for ticks in fields[13:15]) / os.sysconf("SC_CLK_TCK")


def measure(bed, what, suite, length, flood, count):
    # `flood` feeds it from the other core; `count` reads what has come through.
    sender = subprocess.Popen(
        ["ip", "netns", "exec", flood[0], PROGRAMS / "secybench", "flood", "--interface", flood[1], "--length",
         str(length), "--seconds", str(SECONDS + 1), *flood[2:]], stdout=subprocess.PIPE)
    time.sleep(0.5)
    before, used, start = count(), core_time(bed.b), time.monotonic()
    time.sleep(SECONDS)
    frames, used, wall = count() - before, core_time(bed.b) - used, time.monotonic() - start
    fed = json.loads(sender.communicate()[0])
    print(json.dumps({
        "what": what, "suite": suite, "octets": length, "frames_per_second": round(frames / wall),
        "frames_per_core_second": round(frames / used) if used else None, "fed_per_second": fed["sent_per_second"],
        "gbit_per_second": round(frames * length * 8 / wall / 1e9, 2),
    }), flush=True)


def program(bed, suite):
    key = bytes(range(32 if "256" in suite else 16))

    def octets(sci):
        return control.key_octets(KEY, key, (sci & 0xFFFFFFFF, bytes(range(12))) if "XPN" in suite else None)

    bed.b.control.program(
        control.configure(suite=suite), control.add_receive_channel(bed.a.sci),
        control.add_receive_association(bed.a.sci, 0, octets(bed.a.sci)),
        control.add_transmit_association(0, octets(bed.b.sci)), control.enable_transmit(0, KEY),
        control.set_port(control.PROTECTED))


def tcp(bed, suite):
    # A flow between two controlled ports: segments, not frames of one size.
    sys.argv[1:] = []
    import test_secyd  # noqa: F401  (imported late: it looks for the tests' own build)
    used = core_time(bed.a), core_time(bed.b)
    start = time.monotonic()
    rate = test_secyd.transfer(bed, 512 << 20)
    wall = time.monotonic() - start
    print(json.dumps({
        "what": "tcp", "suite": suite, "gbit_per_second": round(rate * 8 / 1e9, 2),
        "sender_core": round((core_time(bed.a) - used[0]) / wall, 2),
        "receiver_core": round((core_time(bed.b) - used[1]) / wall, 2)}), flush=True)


def run(suite, lengths):
    with tempfile.TemporaryDirectory() as folder:
        bed = control.Bed(pathlib.Path(folder), PROGRAMS / "secyd")
        try:
            bed.b.start()
            program(bed, suite)
            report = bed.b.control.report
            for length in lengths:
                # The sender counts its packet numbers from 1 each time.
                bed.b.control.program(control.remove_receive_channel(bed.a.sci), control.add_receive_channel(bed.a.sci))
                key = bytes(range(32 if "256" in suite else 16))
                extension = (bed.a.sci & 0xFFFFFFFF, bytes(range(12))) if "XPN" in suite else None
                bed.b.control.program(
                    control.add_receive_association(bed.a.sci, 0, control.key_octets(KEY, key, extension)))
                measure(
                    bed, "receive", suite, length,
                    (bed.a.namespace, "va", "--suite", str(control.SUITES[suite])),
                    lambda: report()["receive"][bed.a.sci]["ok"])
                measure(
                    bed, "send", suite, length, (bed.b.namespace, bed.b.port),
                    lambda: report()["transmit"]["encrypted"])
        finally:
            bed.close()
    with tempfile.TemporaryDirectory() as folder:
        bed = control.Bed(pathlib.Path(folder), PROGRAMS / "secyd")
        try:
            bed.start()
            bed.secure(suite=suite)
            tcp(bed, suite)
        finally:
            bed.close()


for name in os.environ.get("SUITES", "GCM-AES-256").split(","):
    run(name, (1400, 128))
