# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""A whole agent with the kernel's MACsec: configured by a NETCONF client outside of the guest in which it runs.

Its peer is the MKA engine alone (mkaport) in a namespace of the guest, with the kernel's MACsec too.
"""

import re
import socket
import subprocess
import time

import pytest
from conftest import BUILD, ROOT
from lxml import etree
from ncclient import manager

pytestmark = pytest.mark.long

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
MACSEC = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-macsec-cfg"
KEY_CHAIN = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-key-chain-cfg"
INTERFACE = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-interface-cfg"
ADDRESS = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-if-ip-address-cfg"
SECY_OPER = "http://cisco.com/ns/yang/Cisco-IOS-XR-crypto-macsec-secy-oper"
AGENTD = "urn:agentd:yang:agentd-macsec"
MAPPING = "urn:agentd:yang:agentd-interfaces"
XR = "HundredGigE0/1/0/10"
CAK = "0123456789abcdef" * 4
PORT = 8300
# Emulated, a start takes a while.
START_LIMIT = 240

CONFIGURATION = f"""
<key xmlns="{KEY_CHAIN}"><chains><chain><key-chain-name>mac_chain</key-chain-name><macsec><keys><key>
  <ckn>1234abcd5678</ckn>
  <key-string><password>!{CAK}</password><cryptographic-algorithm>aes-256-cmac</cryptographic-algorithm></key-string>
  <lifetime><start-time><hour>5</hour><minute>0</minute><second>0</second><month>january</month>
    <day-of-month>1</day-of-month><year>2015</year></start-time><infinite/></lifetime>
</key></keys></macsec></chain></chains></key>
<macsec-policy xmlns="{MACSEC}"><policy-names><policy-name><policy-name>mac_policy</policy-name>
  <key-server-priority>0</key-server-priority><cipher-suite>GCM-AES-XPN-256</cipher-suite>
  <security-policy>must-secure</security-policy></policy-name></policy-names></macsec-policy>
<interfaces-mapping xmlns="{MAPPING}"><interface-mapping><xr-name>{XR}</xr-name><linux-name>va</linux-name>
</interface-mapping></interfaces-mapping>
<interfaces xmlns="{INTERFACE}"><interface><interface-name>{XR}</interface-name>
  <ipv4><addresses xmlns="{ADDRESS}"><address><address>192.0.2.1</address><netmask>255.255.255.0</netmask></address>
  </addresses></ipv4>
  <macsec xmlns="{MACSEC}"><psk-keychain><keychain-name>mac_chain</keychain-name><policy>mac_policy</policy>
  </psk-keychain></macsec></interface></interfaces>
"""


class Router:
    """The agent in the guest, and a client outside."""

    def __init__(self, guest, key, port):
        self.guest, self.key, self.port = guest, key, port

    def start(self):
        self.guest.run(
            "cd /tmp; export LD_LIBRARY_PATH=; /root/agentd run --data-directory /root/data --yang /root/yang "
            f"--listen 0.0.0.0:{PORT} --charon none >/tmp/agent.out 2>>/tmp/agent.log </dev/null & echo $! >/tmp/agent.pid")
        self.pid = self.guest.run("cat /tmp/agent.pid").strip()
        self.wait("start", lambda: "netconf" in self.guest.run("cat /tmp/agent.out"), START_LIMIT)

    def wait(self, what, condition, limit=60):
        deadline = time.monotonic() + limit
        while not (value := condition()):
            if time.monotonic() > deadline:
                pytest.fail(f"no {what} within {limit} s:\n" + self.guest.run(
                    "tail -n 40 /tmp/agent.log /tmp/peer.log; ip a; ip macsec show; nft list ruleset", check=False))
            time.sleep(0.3)
        return value

    def connect(self):
        return manager.connect(
            host="127.0.0.1", port=self.port, username="admin", key_filename=str(self.key), hostkey_verify=False,
            allow_agent=False, look_for_keys=False, device_params={"name": "iosxr"}, timeout=120)

    def kill(self):
        self.guest.run(f"kill -9 {self.pid}; while kill -0 {self.pid} 2>/dev/null; do sleep 0.1; done", check=False)


def commit(session, body):
    session.edit_config(target="candidate", config=f'<config xmlns="{BASE}" xmlns:nc="{BASE}">{body}</config>')
    session.commit()


def read(session, filter_text):
    return etree.fromstring(session.get(("subtree", filter_text)).data_xml.encode())


def state(session):
    """The leafs of the port's state, by name."""
    tree = read(session, f'<macsec-state xmlns="{AGENTD}"/>')
    entry = next(tree.iter(f"{{{AGENTD}}}port"), None)
    return {} if entry is None else {etree.QName(leaf).localname: leaf.text for leaf in entry.iter() if len(leaf) == 0}


def counter(session, name):
    tree = read(session, f'<macsec xmlns="{SECY_OPER}"><secy/></macsec>')
    return [int(leaf.text) for leaf in tree.iter(f"{{{SECY_OPER}}}{name}")]


@pytest.fixture(scope="module")
def router(boot, tmp_path_factory):
    for program in ("agentd", "mkaport"):
        if not (BUILD / program).exists():
            pytest.fail(f"{BUILD / program} is not built")
    folder = tmp_path_factory.mktemp("router")
    key = folder / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "admin", "-f", str(key)], check=True)
    data = folder / "data"
    subprocess.run(
        [BUILD / "agentd", "user", "add", "admin", "--authorized-key", f"{key}.pub", "--data-directory", data, "--yang",
         ROOT / "yang"], check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    add = [f"{BUILD / 'agentd'}:/root/agentd", f"{BUILD / 'mkaport'}:/root/mkaport", f"{ROOT / 'yang'}:/root/yang",
           f"{data}:/root/data"]
    with boot(add=add, forwards={port: PORT}, memory=1024) as guest:
        guest.run("chmod -R go= /root/data; ip netns add b; ip link add va type veth peer name vb netns b")
        guest.run("ip link set va address 02:00:00:00:0a:01; ip -n b link set vb address 02:00:00:00:0b:01")
        guest.run("ip link set va up; ip -n b link set vb up; ip -n b link set lo up")
        router = Router(guest, key, port)
        router.start()
        yield router


def ping(guest, count=20, interval=0.05, target="192.0.2.2", side=""):
    said = guest.run(f"{side} ping -q -c {count} -i {interval} -W 2 {target}", limit=120, check=False)
    sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) packets received", said).groups())
    assert sent == count
    return received


def encrypted(guest):
    """The kernel's own count of frames sent encrypted: the first numbers after the line that has its name."""
    lines = guest.run("ip -s macsec show ms-va").splitlines()
    place = next(index for index, line in enumerate(lines) if "OutPktsEncrypted" in line)
    return int(lines[place + 1].split()[lines[place].replace("stats:", "").split().index("OutPktsEncrypted")])


def test_an_agent_with_the_kernels_macsec(router):
    """One course from the first configuration to its removal: each step stands on the one before it."""
    guest = router.guest
    # In clear first: otherwise that nothing passes later would prove nothing.
    guest.run("ip addr add 198.51.100.1/24 dev va; ip -n b addr add 198.51.100.2/24 dev vb")
    assert ping(guest, 3, target="198.51.100.2") == 3
    with router.connect() as session:
        commit(session, CONFIGURATION)
        router.wait("filter", lambda: "agentd-port-va" in guest.run("nft list ruleset"))
        assert ping(guest, 3, target="198.51.100.2") == 0
        guest.run(
            "cd /tmp; ip netns exec b /root/mkaport interface=vb address=020000000b01 ckn=1234abcd5678 "
            f"cak={CAK} secy=kernel suite=GCM-AES-XPN-256 priority=200 seconds=3000 >/tmp/peer.log 2>&1 </dev/null &")
        router.wait("secured port", lambda: state(session).get("is-secured") == "true")
        assert state(session)["data-plane"] == "kernel", state(session)
        router.wait("address", lambda: "192.0.2.1/24" in guest.run("ip addr show ms-va"))
        guest.run("ip -n b addr add 192.0.2.2/24 dev ms-vb")
        router.wait("answer", lambda: ping(guest, 1) == 1)
        assert ping(guest, 50, 0.02) == 50
        shown = guest.run("ip -s macsec show ms-va")
        assert "GCM-AES-XPN-256" in shown and "validate strict" in shown, shown
        # What is shown lies between what the kernel shows before and after.
        before = encrypted(guest)
        time.sleep(1)
        sent, taken = counter(session, "out-pkts-encrypted"), counter(session, "in-pkts-ok")
        assert 50 <= before <= sent[0] <= encrypted(guest) and max(taken) >= 50

        # Somebody flushes all filters of the system: it is put back before the next look would have been due.
        guest.run("nft flush ruleset")
        router.wait("filter", lambda: "agentd-port-va" in guest.run("nft list ruleset"), limit=10)
        assert ping(guest, 3, target="198.51.100.2") == 0 and ping(guest) == 20

    # Killed: until the peer gives it up, after the life time of MKA, not a frame is lost; and none passes in clear. An
    # emulated start takes longer than that, so it then begins anew, which is told.
    guest.run("( ping -q -c 60 -i 0.02 -W 2 192.0.2.2 >/tmp/ping.out 2>&1 ) </dev/null >/dev/null 2>&1 &")
    router.kill()
    assert "agentd-port-va" in guest.run("nft list ruleset")
    router.wait("end of pings", lambda: "received" in guest.run("cat /tmp/ping.out", check=False))
    assert "60 packets received" in guest.run("cat /tmp/ping.out")
    router.start()
    with router.connect() as session:
        router.wait("secured port", lambda: state(session).get("is-secured") == "true", 90)
        router.wait("answer", lambda: ping(guest, 1) == 1)
        assert ping(guest) == 20
        now = state(session)
        assert int(now["resumed"]) + int(now["renewed"]) == 1, now

        commit(session, f'<interfaces xmlns="{INTERFACE}"><interface nc:operation="delete"><interface-name>{XR}'
               "</interface-name></interface></interfaces>")
        router.wait("removal", lambda: "ms-va" not in guest.run("ip link"))
        router.wait("removal", lambda: "agentd-p" not in guest.run("nft list ruleset"))
    # The peer's own stack is still cut off from its parent link.
    guest.run("ip netns exec b nft flush ruleset")
    assert ping(guest, 3, target="198.51.100.2") == 3
