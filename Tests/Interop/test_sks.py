# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Key profiles against simulated KMEs: what NETCONF configures happens, and what happened is read back."""

import contextlib
import socket
import subprocess
import time

import pytest
from conftest import BASE, BUILD, SKS, SKS_OPER, Program, eventually
from lxml import etree
from ncclient.operations.rpc import RPCError
from ncclient.xml_ import to_ele

AGENTD_SKS = "urn:agentd:yang:agentd-sks"
MAPPING = "urn:agentd:yang:agentd-interfaces"


@contextlib.contextmanager
def lab(directory, *options):
    """Two KMEs, Alice's and Bob's, that share keys; their ports by name."""
    program = Program([BUILD / "kmesim", "lab", *options], directory / "kmesim.log")
    try:
        ports = {}
        while len(ports) < 2:
            ready = program.line()
            if ready.get("instance") in ("A", "B"):
                ports[ready["instance"]] = ready["port"]
        yield ports
    finally:
        program.stop()


def profile(name, port, after="", client="", secret="!kmesim-lab", operation=""):
    psk = f"<psk><id>lab</id><key><seven>{secret}</seven></key></psk>" if secret else ""
    return (
        f'<profile{operation}><profile-name>{name}</profile-name><type><remote><kme><server><ipv4>127.0.0.1</ipv4>'
        f'<port>{port}</port></server>{psk}{after}<client xmlns="{AGENTD_SKS}">{client}</client></kme></remote></type>'
        "</profile>"
    )


def commit(session, *profiles, before=""):
    session.edit_config(
        target="candidate",
        config=f'<config xmlns="{BASE}">{before}<sks-server xmlns="{SKS}"><profiles>{"".join(profiles)}</profiles>'
        "</sks-server></config>",
    )
    session.commit()


def read(session, name, kind="profiles/profile"):
    outer, inner = kind.split("/")
    wanted = f'<sks xmlns="{SKS_OPER}"><{outer}><{inner}><profile-name>{name}</profile-name></{inner}></{outer}></sks>'
    tree = etree.fromstring(session.get(("subtree", wanted)).data_xml.encode())
    found = list(tree.iter(f"{{{SKS_OPER}}}{inner}"))
    assert len(found) <= 1
    return found[0] if found else None


def leaf(entry, path):
    return entry.findtext("/".join(f"{{*}}{step}" for step in path.split("/")))


def becomes(session, name, state, limit=30):
    def check():
        entry = read(session, name)
        now = None if entry is None else leaf(entry, "remote-profile-info/state")
        assert now == state, f"{name} is {now}, not {state}"
        return [entry]

    return eventually(check, limit)[0]


def test_key(session, name, **inputs):
    extra = "".join(f"<{k.replace('_', '-')}>{v}</{k.replace('_', '-')}>" for k, v in inputs.items())
    reply = session.dispatch(to_ele(f'<test-key xmlns="{AGENTD_SKS}"><profile-name>{name}</profile-name>{extra}</test-key>'))
    return etree.fromstring(reply.xml.encode())


test_key.__test__ = False


def test_a_key_on_one_side_is_the_key_on_the_other(agent, tmp_path):
    with lab(tmp_path) as kme, agent.manager("iosxr") as session:
        commit(session, profile("alice", kme["A"]), profile("bob", kme["B"]))
        alice = becomes(session, "alice", "state-connected")
        becomes(session, "bob", "state-connected")
        assert leaf(alice, "remote-profile-info/capability/local-identifier") == "Alice"
        assert leaf(alice, "remote-profile-info/capability/remote-id/remote-identifier") == "Bob"
        assert leaf(alice, "remote-profile-info/capability/key-supported") == "true"
        assert leaf(alice, "remote-profile-info/auth-info/auth-type") == "sks-tls-auth-psk"
        assert leaf(alice, "remote-profile-info/auth-info/psk-auth/psk-identity") == "lab"
        assert leaf(alice, "profile-type") == "profile-type-remote"
        taken = test_key(session, "alice", size=256)
        fetched = test_key(session, "bob", key_id=leaf(taken, "key-id"))
        assert leaf(taken, "fingerprint") == leaf(fetched, "fingerprint")
        assert leaf(taken, "size") == leaf(fetched, "size") == "256"
        # Exactly once: the KME has erased it.
        with pytest.raises(RPCError) as caught:
            test_key(session, "bob", key_id=leaf(taken, "key-id"))
        assert caught.value.tag == "operation-failed"
        counters = read(session, "alice", "profile-stats/profile-stat")
        assert leaf(counters, "http-transaction-request-counters/get-capability") == "1"
        assert leaf(counters, "http-transaction-request-counters/get-key") == "1"
        assert leaf(counters, "http-counters/request-total") == "2"
        assert leaf(counters, "http-counters/response-success") == "2"
        assert leaf(counters, "last-tran-info/trans-type") == "transaction-get-key"
        assert leaf(counters, "last-tran-info/status-code") == "200"
        assert int(leaf(counters, "response-time/max-time")) >= int(leaf(counters, "response-time/avg-time"))


def test_through_a_proxy_and_from_an_interface(agent, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        proxy_port = probe.getsockname()[1]
    with lab(tmp_path) as kme, agent.manager() as session:
        configuration = tmp_path / "tinyproxy.conf"
        configuration.write_text(f"Port {proxy_port}\nListen 127.0.0.1\nAllow 127.0.0.1\nConnectPort {kme['A']}\n")
        proxy = subprocess.Popen(["tinyproxy", "-d", "-c", configuration], stdout=open(tmp_path / "proxy.log", "wb"))
        try:
            time.sleep(0.5)
            through = f"<http-proxy><ipv4>127.0.0.1</ipv4><port>{proxy_port}</port></http-proxy>"
            mapping = (
                f'<interfaces-mapping xmlns="{MAPPING}"><interface-mapping><xr-name>HundredGigE0/1/0/17</xr-name>'
                "<linux-name>lo</linux-name></interface-mapping></interfaces-mapping>"
            )
            source = "<source-interface>{}</source-interface>"
            commit(
                session, profile("proxied", kme["A"], through),
                profile("sourced", kme["A"], source.format("HundredGigE0/1/0/17")),
                profile("homeless", kme["A"], source.format("HundredGigE0/9/9/9")), before=mapping,
            )
            assert leaf(becomes(session, "proxied", "state-connected"), "remote-profile-info/http-proxy/http-proxy-port") \
                == str(proxy_port)
            assert leaf(becomes(session, "sourced", "state-connected"), "remote-profile-info/server-intf") \
                == "HundredGigE0/1/0/17"
            becomes(session, "homeless", "state-registration-failed")
            state = session.get(("subtree", f'<interfaces-state xmlns="{MAPPING}"/>')).data_xml
            assert "<oper-status>up</oper-status>" in state and "127.0.0.1/8" in state
        finally:
            proxy.terminate()
            proxy.wait(10)


def test_a_wrong_secret_is_shown_and_mended_by_an_edit(agent, tmp_path):
    with lab(tmp_path) as kme, agent.manager() as session:
        commit(session, profile("p", kme["A"], secret="!wrong"))
        eventually(lambda: leaf(read(session, "p", "profile-stats/profile-stat"), "http-counters/request-failed") != "0")
        assert leaf(read(session, "p"), "remote-profile-info/state") != "state-connected"
        commit(session, profile("p", kme["A"]))
        entry = becomes(session, "p", "state-connected")
        assert leaf(entry, "remote-profile-info/reason") is not None
        commit(session, profile("p", kme["A"], operation=f' xmlns:nc="{BASE}" nc:operation="delete"'))
        eventually(lambda: read(session, "p") is None)


def test_connections_are_told_of(agent, tmp_path):
    with agent.manager() as session:
        session.create_subscription()
        with lab(tmp_path) as kme:
            commit(session, profile("p", kme["A"], client="<timers><capability-refresh-interval>10</capability-refresh-interval></timers>"))
            assert _notification(session, "kme-connected") is not None
        lost = _notification(session, "kme-lost", limit=40)
        assert lost.findtext(".//{*}profile-name") == "p"
        assert lost.findtext(".//{*}server-port") == str(kme["A"])


def _notification(session, name, limit=30):
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        taken = session.take_notification(timeout=1)
        if taken is not None and f"<{name} " in taken.notification_xml:
            return etree.fromstring(taken.notification_xml.encode())
    raise AssertionError(f"no {name} within {limit} s")


def test_what_cannot_be_done_is_refused_with_a_path(agent):
    with agent.manager() as session:
        dangling = profile("p", 9, client="<trustpoint>absent</trustpoint>", secret=None)
        with pytest.raises(RPCError) as caught:
            commit(session, dangling)
        assert "absent" in caught.value.message
        assert "profile-name='p'" in caught.value.path
        session.discard_changes()
        with pytest.raises(RPCError) as caught:
            session.edit_config(
                target="candidate",
                config=f'<config xmlns="{BASE}"><nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm">'
                "<enable-nacm>true</enable-nacm></nacm></config>",
            )
            session.commit()
        assert "does not carry out" in caught.value.message
        session.discard_changes()
