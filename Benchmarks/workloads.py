# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""NETCONF workloads against any server that implements Cisco-IOS-XR-um-sks-server-cfg, one JSON line each.

    W1  set up and close a session            W5  read all N profiles
    W2  read one profile of N, in turn        W6  W2 by K sessions at once, 50 reads each
    W3  add N profiles: edit, validate, commit W7  delete all N profiles: edit, commit
    W4  change one port of N: edit, commit

The client is deliberately thin: one `ssh -s` child a session, framing by hand, substring checks only.
Profiles point at closed ports of loopback addresses.
"""

import argparse
import json
import os
import re
import selectors
import statistics
import subprocess
import sys
import time

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
SKS = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-sks-server-cfg"
END = b"]]>]]>"
READS_PER_SESSION = 50
RPC_LIMIT = 600


class Failure(Exception):
    pass


class Client:
    """One session. `ask` starts an operation; `answer` completes it."""

    def __init__(self, command):
        self.started = time.perf_counter()
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.output = self.child.stdout.fileno()
        self.input = self.child.stdin.fileno()
        os.set_blocking(self.output, False)
        os.set_blocking(self.input, False)
        self.pending = memoryview(b"")
        self.buffer = bytearray()
        self.scanned = 0
        self.chunked = False
        self.message_id = 0
        self.first_byte = None
        self.queue(
            f'<hello xmlns="{BASE}"><capabilities><capability>urn:ietf:params:netconf:base:1.1</capability>'
            "<capability>urn:ietf:params:netconf:base:1.0</capability></capabilities></hello>".encode() + END
        )
        hello = self.answer()
        if b"capability" not in hello:
            raise Failure(f"not a hello: {hello[:200]!r}")
        self.hello_after = time.perf_counter() - self.started
        self.chunked = b":base:1.1" in hello

    def queue(self, data):
        self.pending = memoryview(bytes(self.pending) + data)
        self.flush()

    def flush(self):
        while self.pending:
            try:
                self.pending = self.pending[os.write(self.input, self.pending[:65536]):]
            except BlockingIOError:
                return

    def ask(self, operation):
        self.message_id += 1
        body = f'<rpc xmlns="{BASE}" message-id="{self.message_id}">{operation}</rpc>'.encode()
        self.first_byte = None
        self.queue(b"\n#%d\n%s\n##\n" % (len(body), body) if self.chunked else body + END)

    def receive(self):
        """Takes what has come; the message when it is whole, else None."""
        try:
            data = os.read(self.output, 1 << 20)
        except BlockingIOError:
            return None
        if not data:
            raise Failure("the server closed the session")
        if self.first_byte is None:
            self.first_byte = time.perf_counter()
        self.buffer += data
        mark = b"\n##\n" if self.chunked else END
        end = self.buffer.find(mark, max(0, self.scanned - len(mark)))
        self.scanned = len(self.buffer)
        if end < 0:
            return None
        message = bytes(self.buffer[:end])
        del self.buffer[: end + len(mark)]
        self.scanned = 0
        return message

    def answer(self):
        deadline = time.monotonic() + RPC_LIMIT
        with selectors.DefaultSelector() as selector:
            selector.register(self.output, selectors.EVENT_READ)
            if self.pending:
                selector.register(self.input, selectors.EVENT_WRITE)
            while True:
                ready = selector.select(deadline - time.monotonic())
                if not ready:
                    raise Failure(f"no answer within {RPC_LIMIT} s")
                for key, _ in ready:
                    if key.fd == self.input:
                        self.flush()
                        if not self.pending:
                            selector.unregister(self.input)
                    elif (message := self.receive()) is not None:
                        return message

    def call(self, operation):
        self.ask(operation)
        reply = self.answer()
        if b"rpc-error" in reply[:2000]:
            raise Failure(f"rpc-error: {reply[:800].decode(errors='replace')}")
        return reply

    def close(self):
        try:
            self.call("<close-session/>")
            self.child.stdin.close()
            self.child.wait(10)
        finally:
            self.child.kill()
            self.child.wait()
            self.child.stdout.close()


def name(i):
    return f"profile-{i:06d}"


def profile(i, port, with_address=True):
    address = f"<ipv4>127.{i >> 16 & 255}.{i >> 8 & 255}.{i % 254 + 1}</ipv4>" if with_address else ""
    return (
        f"<profile><profile-name>{name(i)}</profile-name><type><remote><kme><server>{address}"
        f"<port>{port}</port></server></kme></remote></type></profile>"
    )


def edit(target, content, attributes=""):
    return (
        f"<edit-config><target><{target}/></target><config>"
        f'<sks-server xmlns="{SKS}"{attributes}>{content}</sks-server></config></edit-config>'
    )


def read(content):
    return (
        f'<get-config><source><running/></source><filter type="subtree"><sks-server xmlns="{SKS}">{content}'
        "</sks-server></filter></get-config>"
    )


def read_one(i):
    return read(f"<profiles><profile><profile-name>{name(i)}</profile-name></profile></profiles>")


def timed(action):
    started = time.perf_counter()
    result = action()
    return time.perf_counter() - started, result


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        return round(next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024, 1)


class Bench:
    def __init__(self, options):
        self.options = options
        self.command = [
            "ssh", "-F", "/dev/null", "-T", "-q", "-p", str(options.port), "-i", options.key,
            "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", f"{options.user}@127.0.0.1", "-s", "netconf",
        ]

    def report(self, workload, n, **figures):
        line = {"server": self.options.name, "workload": workload, "n": n}
        line.update({k: round(v, 6) if isinstance(v, float) else v for k, v in figures.items()})
        print(json.dumps(line), flush=True)

    def run(self):
        self.setup_times()
        self.client = Client(self.command)
        self.client.call(edit("candidate", "", f' xmlns:nc="{BASE}" nc:operation="remove"'))
        self.client.call("<commit/>")
        self.report("memory-idle", 0, rss_mb=resident(self.options.pid))
        for n in self.options.sizes:
            repetitions = 1 if n >= 100_000 else 3
            self.fill_and_empty(n, repetitions)
        self.client.close()

    def setup_times(self):
        hellos, closed = [], []
        for _ in range(10):
            client = Client(self.command)
            client.close()
            hellos.append(client.hello_after)
            closed.append(time.perf_counter() - client.started)
        self.report("W1", 0, hello_ms=statistics.median(hellos) * 1e3, closed_ms=statistics.median(closed) * 1e3)

    def fill_and_empty(self, n, repetitions):
        fills, empties = [], []
        for repetition in range(repetitions):
            content = "<profiles>" + "".join(profile(i, 9) for i in range(n)) + "</profiles>"
            steps = [timed(lambda: self.client.call(edit("candidate", content)))[0]]
            if self.options.validate:
                steps.append(timed(lambda: self.client.call("<validate><source><candidate/></source></validate>"))[0])
            steps.append(timed(lambda: self.client.call("<commit/>"))[0])
            fills.append(steps)
            if repetition == repetitions - 1:
                self.while_full(n)
            gone = f' xmlns:nc="{BASE}" nc:operation="delete"'
            empty = [timed(lambda: self.client.call(edit("candidate", "", gone)))[0]]
            empty.append(timed(lambda: self.client.call("<commit/>"))[0])
            empties.append(empty)
        middle = [statistics.median(column) for column in zip(*fills)]
        self.report("W3", n, total_s=sum(middle), steps_s=[round(s, 4) for s in middle])
        middle = [statistics.median(column) for column in zip(*empties)]
        self.report("W7", n, total_s=sum(middle), steps_s=[round(s, 4) for s in middle])
        self.report("memory-emptied", n, rss_mb=resident(self.options.pid))

    def while_full(self, n):
        self.report("memory-full", n, rss_mb=resident(self.options.pid))
        latencies = sorted(timed(lambda: self.client.call(read_one(i * 7919 % n)))[0] for i in range(2000))
        self.report(
            "W2", n, rpc_per_s=len(latencies) / sum(latencies), p50_ms=latencies[1000] * 1e3, p99_ms=latencies[1980] * 1e3
        )
        edits, commits = [], []
        for i in range(11):
            change = f"<profiles>{profile(i * 97 % n, 10 + i, with_address=False)}</profiles>"
            edits.append(timed(lambda: self.client.call(edit("candidate", change)))[0])
            commits.append(timed(lambda: self.client.call("<commit/>"))[0])
        self.report(
            "W4", n, edit_ms=statistics.median(edits) * 1e3, commit_ms=statistics.median(commits) * 1e3,
            total_ms=(statistics.median(edits) + statistics.median(commits)) * 1e3,
        )
        reads, firsts, size = [], [], 0
        for _ in range(3):
            started = time.perf_counter()
            reply = self.client.call(read(""))
            reads.append(time.perf_counter() - started)
            firsts.append(self.client.first_byte - started)
            size = len(reply)
            # Not part of what is timed: chunk headers may stand anywhere, also within a tag.
            found = re.sub(rb"\n#[0-9]+\n", b"", reply).count(b"profile-name>") // 2
            if found != n:
                raise Failure(f"{found} profiles came back, not {n}")
        best = statistics.median(reads)
        self.report(
            "W5", n, seconds=best, first_byte_s=statistics.median(firsts), mb_per_s=size / best / 1e6,
            profiles_per_s=n / best,
        )
        if n == self.options.sizes[0]:
            for k in self.options.sessions:
                self.many_sessions(k, n)

    def many_sessions(self, k, n):
        clients = [Client(self.command) for _ in range(k)]
        before = resident(self.options.pid)
        left = {client.output: [client, READS_PER_SESSION] for client in clients}
        with selectors.DefaultSelector() as selector:
            for client in clients:
                selector.register(client.output, selectors.EVENT_READ)
            started = time.perf_counter()
            for i, client in enumerate(clients):
                client.ask(read_one(i % n))
            while left:
                for key, _ in selector.select(RPC_LIMIT):
                    entry = left[key.fd]
                    reply = entry[0].receive()
                    if reply is None:
                        continue
                    if b"profile-name" not in reply:
                        raise Failure(f"not the profile: {reply[:300]!r}")
                    entry[1] -= 1
                    if entry[1]:
                        entry[0].ask(read_one((key.fd + entry[1]) % n))
                    else:
                        selector.unregister(key.fd)
                        del left[key.fd]
            took = time.perf_counter() - started
        self.report("W6", n, sessions=k, rpc_per_s=k * READS_PER_SESSION / took, rss_mb=before)
        for client in clients:
            client.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", default="admin")
    parser.add_argument("--key", required=True)
    parser.add_argument("--pid", type=int, required=True, help="the server, for its memory")
    parser.add_argument("--sizes", type=lambda s: [int(n) for n in s.split(",")], default=[1000, 10000])
    parser.add_argument("--sessions", type=lambda s: [int(k) for k in s.split(",") if k], default=[50, 200])
    parser.add_argument("--skip-validate", dest="validate", action="store_false")
    try:
        Bench(parser.parse_args()).run()
    except Failure as failure:
        sys.exit(f"workloads: {re.sub(' +', ' ', str(failure))}")


if __name__ == "__main__":
    main()
