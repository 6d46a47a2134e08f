# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""The control protocol of secyd, spoken from its description in docs/macsec-secy.md, and a bed of two namespaces."""

import contextlib
import ctypes
import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading
import time

IDENTIFY, PERFORM, REPORT, REMOVE = 1, 2, 3, 4
BLOCKED, UNPROTECTED, PROTECTED = 0, 1, 2
SUITES = {"GCM-AES-128": 1, "GCM-AES-256": 2, "GCM-AES-XPN-128": 3, "GCM-AES-XPN-256": 4}
INTERFACE = (
    "untagged no_tag bad_tag unknown_sci no_sci overrun validated decrypted out_untagged out_too_long out_protected "
    "out_encrypted blocked out_blocked"
).split()
TRANSMIT = "protected encrypted octets_protected octets_encrypted too_long".split()
RECEIVE = (
    "unchecked delayed late ok invalid not_valid not_using_sa unused_sa untagged_hit octets_validated octets_decrypted"
).split()
ASSOCIATION = "ok invalid not_valid not_using_sa unused_sa next_pn lowest_pn".split()


class Refused(Exception):
    pass


def settings(suite="GCM-AES-128", offset=1, validation=2, replay=True, window=0, sci=True, clear=0, tags=0):
    return struct.pack("!BBBBIBBB", SUITES[suite], offset, validation, replay, window, sci, clear, tags)


def configure(**values):
    return b"\x01" + settings(**values)


def set_port(status):
    return bytes([2, status])


def add_receive_channel(sci):
    return struct.pack("!BQ", 3, sci)


def remove_receive_channel(sci):
    return struct.pack("!BQ", 4, sci)


def key_octets(name, key, extension=None):
    ending = b"\x00" if extension is None else b"\x01" + struct.pack("!I", extension[0]) + extension[1]
    return name + bytes([len(key)]) + key + ending


def add_receive_association(sci, number, key, lowest=1):
    return struct.pack("!BQB", 5, sci, number) + key + struct.pack("!Q", lowest)


def raise_lowest(sci, number, lowest):
    return struct.pack("!BQBQ", 7, sci, number, lowest)


def add_transmit_association(number, key, next_pn=1):
    return bytes([8, number]) + key + struct.pack("!Q", next_pn)


def enable_transmit(number, name):
    return bytes([9, number]) + name


def remove_transmit_association(number, name):
    return bytes([10, number]) + name


class Reader:
    def __init__(self, octets):
        self.octets = octets

    def take(self, layout):
        size = struct.calcsize("!" + layout)
        values = struct.unpack("!" + layout, self.octets[:size])
        self.octets = self.octets[size:]
        return values if len(values) > 1 else values[0]

    def text(self):
        count = self.take("B")
        text, self.octets = self.octets[:count], self.octets[count:]
        return text.decode()


class Control:
    """A connection to a secyd."""

    def __init__(self, path, limit=10):
        end = time.monotonic() + limit
        while True:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.socket.settimeout(limit)
            try:
                self.socket.connect(str(path))
                break
            except OSError:
                self.socket.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
        self.number = 0

    def ask(self, kind, body=b""):
        self.number += 1
        self.socket.send(struct.pack("!BBHI", 1, kind, 0, self.number) + body)
        answer = Reader(self.socket.recv(65536))
        version, kind, zero, number = answer.take("BBHI")
        assert (version, zero, number) == (1, 0, self.number)
        if kind == 0x81:
            raise Refused(answer.take("B"), answer.text())
        assert kind == 0x80
        return answer

    def identify(self):
        answer = self.ask(IDENTIFY)
        instance, process, sci = answer.take("QIQ")
        parent, index, port, locked = answer.text(), answer.take("I"), answer.text(), answer.take("B")
        return {
            "instance": instance, "process": process, "sci": sci, "parent": parent, "index": index, "port": port,
            "locked": locked,
        }

    def perform(self, *commands):
        """The failures, as (place, code, reason)."""
        answer = self.ask(PERFORM, struct.pack("!H", len(commands)) + b"".join(commands))
        return [(*answer.take("HB"), answer.text()) for _ in range(answer.take("H"))]

    def program(self, *commands):
        failures = self.perform(*commands)
        assert not failures, failures

    def report(self):
        answer = self.ask(REPORT)
        report = {"settings": answer.take("BBBBIBBB"), "status": answer.take("B")}
        report["interface"] = dict(zip(INTERFACE, answer.take(f"{len(INTERFACE)}Q")))
        report["sci"] = answer.take("Q")
        report["transmit"] = dict(zip(TRANSMIT, answer.take(f"{len(TRANSMIT)}Q")))
        report["transmit"]["associations"] = {}
        for _ in range(answer.take("B")):
            number, name, enabled, protected, encrypted, next_pn = answer.take("B16sBQQQ")
            report["transmit"]["associations"][number] = {
                "name": name, "enabled": enabled, "protected": protected, "encrypted": encrypted, "next_pn": next_pn,
            }
        report["receive"] = {}
        for _ in range(answer.take("H")):
            sci = answer.take("Q")
            channel = dict(zip(RECEIVE, answer.take(f"{len(RECEIVE)}Q")))
            channel["associations"] = {}
            for _ in range(answer.take("B")):
                number, has_key = answer.take("BB")
                name = answer.take("16s") if has_key else None
                counts = dict(zip(ASSOCIATION, answer.take(f"{len(ASSOCIATION)}Q")))
                channel["associations"][number] = {"name": name, **counts}
            report["receive"][sci] = channel
        assert not answer.octets
        return report

    def close(self):
        self.socket.close()


def run(*command, check=True):
    return subprocess.run([str(word) for word in command], check=check, capture_output=True, text=True)


def in_namespace(name, work):
    """Runs a function in a thread that has entered a network namespace, and gives what it returns."""
    result = []

    def enter():
        library = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{name}") as file:
            if library.setns(file.fileno(), 0x40000000) != 0:
                result.append(OSError(ctypes.get_errno(), "setns"))
                return
        try:
            result.append(work())
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if isinstance(result[0], Exception):
        raise result[0]
    return result[0]


class Port:
    """One end: a namespace, its end of the veth pair, and a secyd on it."""

    def __init__(self, side, namespace, link, address, directory, program):
        self.namespace, self.link, self.program = namespace, link, program
        self.port = f"ms-{link}"
        self.mac = bytes.fromhex(address)
        self.sci = int(address, 16) << 16 | 1
        self.ip = f"192.0.2.{side}"
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o700, exist_ok=True)
        self.process = None
        self.control = None

    def execute(self, *command, check=True):
        return run("ip", "netns", "exec", self.namespace, *command, check=check)

    def start(self, *launcher):
        self.log = open(self.directory / "log", "a+b")
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, *launcher, str(self.program), "--parent", self.link, "--port", self.port,
             "--sci", f"{self.sci:016x}", "--directory", str(self.directory)],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)
        self.control = Control(self.directory / "control")
        return self.control

    def socket(self, link):
        """A packet socket on a link of this end."""

        def make():
            result = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            result.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
            result.bind((link, 0))
            return result

        return in_namespace(self.namespace, make)

    def carrier(self):
        return "LOWER_UP" in self.execute("ip", "link", "show", self.port).stdout

    def stop(self, with_signal=signal.SIGTERM):
        if self.control:
            self.control.close()
        if self.process:
            if self.process.poll() is None:
                self.process.send_signal(with_signal)
            self.process.wait(10)
            self.log.close()
            self.process = None


class Bed:
    """Two ends and the wire between them."""

    def __init__(self, folder, program):
        tag = f"{os.getpid()}"
        self.names = [f"secy{tag}a", f"secy{tag}b"]
        for name in self.names:
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "link", "add", "va", "netns", self.names[0], "type", "veth", "peer", "vb", "netns", self.names[1])
        addresses = ("020000000a01", "020000000b01")
        self.a, self.b = (
            Port(side + 1, name, link, address, folder / link, program)
            for side, (name, link, address) in enumerate(zip(self.names, ("va", "vb"), addresses)))
        for end, address in zip((self.a, self.b), addresses):
            text = ":".join(address[i : i + 2] for i in range(0, 12, 2))
            run("ip", "-n", end.namespace, "link", "set", end.link, "address", text, "up")
            # Only what the tests send is to be seen.
            end.execute("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
            end.execute("sysctl", "-qw", f"net.ipv6.conf.{end.link}.disable_ipv6=1")

    def start(self):
        for end in (self.a, self.b):
            end.start()
            run("ip", "-n", end.namespace, "address", "add", f"{end.ip}/24", "dev", end.port)

    def secure(self, number=0, key=None, name=None, port=PROTECTED, **values):
        """Static keys at both ends."""
        suite = values.get("suite", "GCM-AES-128")
        key = key or bytes(range(32 if "256" in suite else 16))
        name = name or bytes([number + 1]) * 16
        for end, other in ((self.a, self.b), (self.b, self.a)):
            def octets(sci):
                return key_octets(name, key, (sci & 0xFFFFFFFF, bytes(range(12))) if "XPN" in suite else None)

            end.control.program(
                configure(**values), add_receive_channel(other.sci),
                add_receive_association(other.sci, number, octets(other.sci)),
                add_transmit_association(number, octets(end.sci)), enable_transmit(number, name), set_port(port))
        return name

    def ping(self, count=3, interval=0.05):
        """Sends echo requests from one controlled port to the other's host; how many were answered within a second."""

        def exchange():
            answered = set()
            with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as echo:
                echo.settimeout(0)
                due, end = time.monotonic(), None
                sent = 0
                while len(answered) < count and (end is None or time.monotonic() < end):
                    if sent < count and time.monotonic() >= due:
                        body = struct.pack("!HH", os.getpid() & 0xFFFF, sent) + bytes(56)
                        total = 0x0800 + sum(struct.unpack("!30H", body))
                        total = (total & 0xFFFF) + (total >> 16)
                        total = (total & 0xFFFF) + (total >> 16)
                        with contextlib.suppress(OSError):
                            echo.sendto(struct.pack("!BBH", 8, 0, ~total & 0xFFFF) + body, (self.b.ip, 0))
                        sent += 1
                        due += interval
                        if sent == count:
                            end = time.monotonic() + 1
                    with contextlib.suppress(BlockingIOError):
                        answer = echo.recv(2048)
                        if answer[20] == 0 and answer[24:26] == struct.pack("!H", os.getpid() & 0xFFFF):
                            answered.add(answer[26:28])
                        continue
                    time.sleep(0.001)
            return len(answered)

        return in_namespace(self.a.namespace, exchange)

    def close(self):
        for end in (self.a, self.b):
            with contextlib.suppress(Exception):
                end.stop(signal.SIGKILL)
        for name in self.names:
            run("ip", "netns", "delete", name, check=False)


def frames(source, limit=0.3):
    """What a packet socket has, until nothing comes for a while."""
    source.settimeout(limit)
    result = []
    with contextlib.suppress(TimeoutError):
        while True:
            result.append(source.recvfrom(70000))
    return result
