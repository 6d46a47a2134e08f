# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""A broken or hostile peer on charon's socket: the agent goes on serving, and neither grows nor spins."""

import contextlib
import os
import pathlib
import random
import socket
import struct
import threading
import time

import pytest
from conftest import BASE, Agent, eventually
from ipsecconfig import FAR, NEAR, commit, configuration
from lxml import etree
from test_ipsec_oper import OPER, get

REQUEST, RESPONSE, UNKNOWN, REGISTER, UNREGISTER, CONFIRMED, EVENT_UNKNOWN, EVENT = range(8)


def packet(kind, body=b""):
    return struct.pack(">IB", len(body) + 1, kind) + body


def value(name, text):
    return b"\x03" + bytes([len(name)]) + name + struct.pack(">H", len(text)) + text


def section(name, body):
    return b"\x01" + bytes([len(name)]) + name + body + b"\x02"


class HostileCharon:
    """Greets well, so that it is talked to, and then does what its seed says."""

    def __init__(self, path, seed):
        self.random = random.Random(seed)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(16)
        self.requests = 0
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        buffer = b""
        with contextlib.suppress(OSError), connection:
            while True:
                while len(buffer) < 4 or len(buffer) < 4 + struct.unpack(">I", buffer[:4])[0]:
                    data = connection.recv(65536)
                    if not data:
                        return
                    buffer += data
                length = struct.unpack(">I", buffer[:4])[0]
                kind, body, buffer = buffer[4], buffer[5:4 + length], buffer[4 + length:]
                self.requests += 1
                if kind == REQUEST and body[1:1 + body[0]] == b"version":
                    connection.sendall(packet(RESPONSE, value(b"daemon", b"charon-systemd") + value(b"version", b"5.9.8")))
                    continue
                answer = self._mischief(kind)
                if answer is None:
                    return
                connection.sendall(answer)

    def _mischief(self, kind):
        good = packet(CONFIRMED) if kind in (REGISTER, UNREGISTER) else packet(RESPONSE)
        sa = section(b"x" * 255, value(b"uniqueid", b"1") + value(b"state", b"\xff\xfe") + value(b"local-id", b"z" * 60000))
        return self.random.choice([
            good, good, good, None, b"", good[:3], b"\xff\xff\xff\xff", packet(9), packet(EVENT_UNKNOWN), packet(UNKNOWN),
            packet(EVENT, b"\x07list-sa" + sa) * 200 + good, packet(EVENT, b"\x03log" + value(b"msg", b"m" * 65000)) + good,
            packet(RESPONSE, b"\x01\x00" * 1000), self.random.randbytes(300),
            packet(EVENT, b"\x0aike-updown" + value(b"up", b"yes") + sa) + good,
        ])

    def stop(self):
        self.listener.close()


def processor_time(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_agent_serves_on(tmp_path, seed):
    path = f"/tmp/hostile-{os.getpid()}-{seed}.vici"
    charon = HostileCharon(path, seed)
    agent = Agent(tmp_path).start("--charon", path)
    try:
        with agent.manager() as session:
            commit(session, configuration(NEAR, FAR))
            eventually(lambda: charon.connections >= 2)
            before = resident(agent.pid)
            began, used = time.monotonic(), processor_time(agent.pid)
            reads = 0
            while time.monotonic() - began < 6 or reads < 2:
                data = get(session, f'<ipsec-state xmlns="{OPER}"/>')
                assert data.findtext(".//{*}tunnel/{*}name") == "tunnel-ip1"
                reads += 1
                time.sleep(0.2)
            busy = (processor_time(agent.pid) - used) / (time.monotonic() - began)
            assert busy < 0.9, f"the agent spins: {busy:.2f} of a processor"
            assert resident(agent.pid) - before < 200_000, "kilobytes"
            # Configuration goes on, too.
            commit(session, '<ikev2 xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-um-ikev2-cfg"><global><dpd>20</dpd>'
                            "</global></ikev2>")
            reply = etree.fromstring(session.get_config("running").xml.encode())
            assert reply.findtext(f"{{{BASE}}}data//{{*}}dpd") == "20"
        assert charon.requests > 10, f"it was talked to: {charon.requests}"
    finally:
        agent.stop()
        charon.stop()
        os.unlink(path)
