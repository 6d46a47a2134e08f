# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""What no client should send: each case gets an error or a clean close, and the agent serves the next client."""

import socket
import time

import pytest
from conftest import BASE, LONG, SKS
from rawclient import END, Closed, RawSession, hello

EDIT = (
    f'<rpc xmlns="{BASE}" message-id="1"><edit-config><target><candidate/></target><config>'
    f'<sks-server xmlns="{SKS}"><profiles><profile><profile-name>torn</profile-name><type><remote/></type>'
    "</profile></profiles></sks-server></config></edit-config></rpc>"
).encode()
CANDIDATE = "<get-config><source><candidate/></source></get-config>"


def memory(pid):
    """Resident memory of a process in bytes."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


@pytest.fixture(autouse=True)
def still_serves(shared_agent):
    pid = shared_agent.pid
    yield
    assert shared_agent.program.process.poll() is None, shared_agent.program.text()[-3000:]
    assert shared_agent.pid == pid
    with RawSession(shared_agent.ssh()) as session:
        assert "torn" not in session.rpc(CANDIDATE)


def test_an_edit_cut_anywhere_changes_nothing(shared_agent):
    cuts = range(1, len(EDIT), 1 if LONG else 37)
    for cut in cuts:
        with RawSession(shared_agent.ssh()) as session:
            session.send(session.frame(EDIT[:cut]))
            reply = session.read_message().decode()
            assert "<rpc-error>" in reply and "<ok/>" not in reply, (cut, reply)


def test_a_connection_cut_inside_an_edit_changes_nothing(shared_agent):
    for cut in (1, len(EDIT) // 2, len(EDIT) - 1):
        with RawSession(shared_agent.ssh()) as session:
            session.send(session.frame(EDIT)[:cut])


@pytest.mark.parametrize(
    "document, tag",
    [
        (b"<rpc", "malformed-message"),
        (b"no xml at all", "malformed-message"),
        (f'<rpc xmlns="{BASE}"><get/></rpc>'.encode(), "missing-attribute"),
        (f'<rpc xmlns="{BASE}" message-id="1"><fly/></rpc>'.encode(), "operation-not-supported"),
        (f'<rpc xmlns="{BASE}" message-id="1"><fly xmlns="urn:x"/></rpc>'.encode(), "unknown-namespace"),
        (EDIT.replace(SKS.encode(), b"urn:nowhere"), "unknown-namespace"),
        (EDIT.replace(b"<remote/>", b"<distant/>"), "unknown-element"),
        (EDIT.replace(b"<remote/>", b"<remote>text</remote>"), "bad-element"),
        (EDIT.replace(b">torn<", b">to\xffrn<"), "malformed-message"),
        (EDIT.replace(b">torn<", b">to&#0;rn<"), "malformed-message"),
        (EDIT.replace(b"<profile>", b'<profile xmlns:n="%s" n:operation="explode">' % BASE.encode()), "bad-attribute"),
        (EDIT.replace(b"<candidate/>", b"<running/>"), "operation-not-supported"),
        (EDIT.replace(b"<candidate/>", b"<startup/>"), "operation-not-supported"),
    ],
)
def test_errors(shared_agent, document, tag):
    with RawSession(shared_agent.ssh()) as session:
        session.send(session.frame(document))
        reply = session.read_message().decode()
        assert f"<error-tag>{tag}</error-tag>" in reply, reply
        assert "<ok/>" not in reply


def test_an_entity_bomb_is_refused(shared_agent):
    bomb = b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY a%d "%s">' % (i, b"&a%s;" % (b"%d" % (i - 1) if i else b"") * 10) for i in range(20)
    ) + b"]>" + EDIT.replace(b">torn<", b">&a19;<")
    before = memory(shared_agent.pid)
    with RawSession(shared_agent.ssh()) as session:
        session.send(session.frame(bomb))
        try:
            assert "<rpc-error>" in session.read_message().decode()
        except Closed:
            pass
    assert memory(shared_agent.pid) < before + (64 << 20)


def test_deep_nesting_is_refused(shared_agent):
    deep = EDIT.replace(b"<remote/>", b"<a>" * 100_000 + b"</a>" * 100_000)
    with RawSession(shared_agent.ssh()) as session:
        session.send(session.frame(deep))
        assert "<rpc-error>" in session.read_message().decode()


def test_white_space_without_end_is_bounded(shared_agent):
    total = (1 << 30) if LONG else (96 << 20)
    space = b" " * (1 << 20)
    before = memory(shared_agent.pid)
    with RawSession(shared_agent.ssh()) as session:
        try:
            session.send(b"\n#%d\n" % total)
            for _ in range(total // len(space)):
                session.send(space)
            session.send(b"\n##\n")
            assert "<rpc-error>" in session.read_message(120).decode()
        except (Closed, TimeoutError):
            assert session.is_closed()
    assert memory(shared_agent.pid) < before + (64 << 20)


@pytest.mark.parametrize(
    "frame", [b"\n#0\n", b"\n#01\nx", b"\n#4294967296\n", b"\n#-1\n", b"x", b"\n##\n", b"\n#1x\n", b"\n#99999999999\n"]
)
def test_wrong_framing_ends_the_session(shared_agent, frame):
    with RawSession(shared_agent.ssh()) as session:
        session.send(frame)
        assert session.is_closed()


def test_a_chunk_of_4_gigabytes_is_only_a_promise(shared_agent):
    before = memory(shared_agent.pid)
    with RawSession(shared_agent.ssh()) as session:
        session.send(b"\n#4294967295\n" + EDIT[:50])
        time.sleep(0.5)
        assert memory(shared_agent.pid) < before + (16 << 20)


def test_what_is_not_a_hello_ends_the_session(shared_agent):
    for first in (b"GET / HTTP/1.1\r\n\r\n" + END, EDIT + END, hello("9.9") + END, b"x" * 300_000):
        with RawSession(shared_agent.ssh(), send_hello=False) as session:
            try:
                session.send(first)
            except Closed:
                continue
            assert session.is_closed(), first[:40]


def test_hello_and_first_rpc_in_one_write(shared_agent):
    for _ in range(5):
        with RawSession(shared_agent.ssh(), send_hello=False) as session:
            rpc = f'<rpc xmlns="{BASE}" message-id="1">{CANDIDATE}</rpc>'.encode()
            session.send(hello("1.0", "1.1") + END + b"\n#%d\n" % len(rpc) + rpc + b"\n##\n")
            assert b"<hello" in session.read_message()
            session.chunked = True
            assert b"<rpc-reply" in session.read_message()


def test_who_never_logs_in_costs_no_one_else(shared_agent):
    silent = [socket.create_connection(("127.0.0.1", shared_agent.port)) for _ in range(20)]
    try:
        with RawSession(shared_agent.ssh()) as session:
            assert "<data" in session.rpc(CANDIDATE)
    finally:
        for connection in silent:
            connection.close()


def test_who_never_reads_costs_no_one_else(shared_agent):
    before = memory(shared_agent.pid)
    with RawSession(shared_agent.ssh()) as deaf:
        asked = f'<rpc xmlns="{BASE}" message-id="1"><get-schema xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring">'
        asked += "<identifier>Cisco-IOS-XR-types</identifier></get-schema></rpc>"
        for _ in range(300):
            deaf.send(deaf.frame(asked.encode()))
        with RawSession(shared_agent.ssh()) as session:
            started = time.monotonic()
            assert "<data" in session.rpc(CANDIDATE)
            assert time.monotonic() - started < 10
        assert memory(shared_agent.pid) < before + (64 << 20)
