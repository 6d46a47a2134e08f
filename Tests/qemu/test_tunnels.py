# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Route-based tunnels with the kernel's ESP and XFRM interfaces: the agent in a guest with Debian's kernel, configured
from outside over NETCONF, against charons that swanctl configures."""

import glob
import json
import os
import socket
import subprocess
import sys
import time

import pytest
from conftest import BUILD, ROOT
from lxml import etree
from ncclient import manager

sys.path.append(str(ROOT / "Tests" / "Interop"))
from ipsecconfig import addresses, commit, configuration, interface, swanctl  # noqa: E402

AGENTD = "urn:agentd:yang:agentd-interfaces"
CHARON, SWANCTL = "/usr/sbin/charon-systemd", "/usr/sbin/swanctl"

pytestmark = pytest.mark.skipif(
    not (os.path.exists(CHARON) and os.path.exists(SWANCTL)), reason="charon and swanctl are not installed")


def near(number):
    """The near end's address on the link to a far end, and its address in the tunnel."""
    return f"192.0.{number}.1", f"172.16.{number}.1"


def far(number):
    return f"192.0.{number}.2", f"172.16.{number}.2"


class Lab:
    """The agent in the guest's own namespace, and far ends in namespaces of theirs."""

    def __init__(self, guest, key, port):
        self.guest, self.key, self.port = guest, key, port

    def start(self):
        self.guest.run(
            "setsid /root/build/agentd run --data-directory /data --yang /root/yang --listen 0.0.0.0:830 "
            "--charon-directory /run/charon.near --log-level debug >>/tmp/agentd.log 2>&1 & echo $! >/tmp/agentd.pid")
        self.eventually(lambda: '"netconf"' in self.guest.run("cat /tmp/agentd.log"), 240)

    def kill(self):
        self.guest.run("kill -9 $(cat /tmp/agentd.pid); rm /tmp/agentd.log")

    def manager(self):
        return manager.connect(
            host="127.0.0.1", port=self.port, username="admin", key_filename=str(self.key), hostkey_verify=False,
            allow_agent=False, look_for_keys=False, timeout=120)

    def eventually(self, check, limit=90):
        deadline = time.monotonic() + limit
        while not check():
            assert time.monotonic() < deadline, self.guest.run(
                "tail -c 3000 /tmp/agentd.log; ip addr; ip route; ip xfrm state; grep -v ' 0$' /proc/net/xfrm_stat; "
                "for n in far1 far2; do ip -n $n -s addr; ip -n $n xfrm state; tail -n 20 /tmp/$n/log; "
                "ip netns exec $n grep -v ' 0$' /proc/net/xfrm_stat; done",
                check=False)
            time.sleep(0.5)
        return True

    def far_end(self, number):
        outer, inner = far(number)
        name = f"far{number}"
        run = self.guest.run
        run(f"ip netns add {name}; ip link add name n{number} type veth peer name f{number} netns {name}")
        run(f"ip addr add {near(number)[0]}/24 dev n{number}; ip link set n{number} up")
        run(f"ip -n {name} addr add {outer}/24 dev f{number}; ip -n {name} link set f{number} up")
        run(f"ip -n {name} link add name tunnel type xfrm if_id 77; ip -n {name} link set lo up")
        run(f"ip -n {name} addr add {inner}/30 dev tunnel; ip -n {name} link set tunnel up")
        strongswan = f"""charon {{
  load = random nonce openssl aes sha1 sha2 hmac kdf gmp pem kernel-netlink socket-default vici
  install_routes = no
  filelog {{ l {{ path = /tmp/{name}/log
    default = 1
    flush_line = yes }} }}
  plugins {{ vici {{ socket = unix:///tmp/{name}/vici }} }} }}
charon-systemd {{ journal {{ default = -1 }} }}"""
        identifiers = "if_id_in = 77\n    if_id_out = 77"
        text = swanctl(outer, near(number)[0], child=identifiers)
        run(f"mkdir -p /tmp/{name}; cat >/tmp/{name}/strongswan.conf <<'EOF'\n{strongswan}\nEOF")
        run(f"cat >/tmp/{name}/swanctl.conf <<'EOF'\n{text}\nEOF")
        settings, vici = f"STRONGSWAN_CONF=/tmp/{name}/strongswan.conf", f"/tmp/{name}/vici"
        run(f"{settings} setsid /usr/sbin/ip netns exec {name} {CHARON} >/dev/null 2>&1 &")
        self.eventually(lambda: self.guest.run(f"ls {vici}", check=False).strip() == vici)
        run(f"{settings} {SWANCTL} --load-all --file /tmp/{name}/swanctl.conf --uri unix://{vici}")

    def answers(self, number, count=1):
        self.guest.run(f"ping -c {count} -W 2 {far(number)[1]}", check=False)
        return self.guest.status == 0

    def link(self, name):
        text = self.guest.run(f"ip -j -d -s addr show dev {name} 2>/dev/null", check=False).strip()
        return (json.loads(text) or [None])[0] if text.startswith("[") else None


@pytest.fixture(scope="module")
def lab(boot, tmp_path_factory):
    work = tmp_path_factory.mktemp("tunnels")
    agentd = BUILD / "agentd"
    if not agentd.exists():
        pytest.fail(f"{agentd} is not built (swift build --product agentd)")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", work / "key"], check=True)
    subprocess.run(
        [agentd, "user", "add", "admin", "--authorized-key", work / "key.pub", "--data-directory", work / "data",
         "--yang", ROOT / "yang"], check=True)
    # Debugging information is most of the program.
    subprocess.run(["strip", "-o", work / "agentd", agentd], check=True)
    add = [f"{work / 'agentd'}:/root/build/agentd", f"{work / 'data'}:/data", f"{ROOT / 'yang'}:/root/yang",
           CHARON, SWANCTL, "/usr/lib/ipsec", *glob.glob("/lib/*/libgcc_s.so.1")]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with boot(add=add, forwards={port: 830}, memory=1536) as guest:
        it = Lab(guest, work / "key", port)
        for number in (1, 2):
            it.far_end(number)
        it.start()
        yield it


def tunnel(number):
    local, inner = near(number)
    link = f"<description>tunnel {number}</description><mtu>1400</mtu>"
    return configuration(local, far(number)[0], number=number, inner=inner, link=link)


def state(session, name):
    entry = f"<interface-state><xr-name>{name}</xr-name></interface-state>"
    wanted = f'<interfaces-state xmlns="{AGENTD}">{entry}</interfaces-state>'
    return etree.fromstring(session.get(("subtree", wanted)).data_xml.encode()).find(f".//{{{AGENTD}}}interface-state")


def test_tunnels_have_xfrm_interfaces_and_carry_packets(lab):
    with lab.manager() as session:
        commit(session, tunnel(1) + tunnel(2))
        for number in (1, 2):
            lab.eventually(lambda number=number: lab.answers(number))
            link = lab.link(f"tunnel-ip{number}")
            assert link["linkinfo"]["info_kind"] == "xfrm" and link["mtu"] == 1400
            assert link["ifalias"] == f"tunnel {number}"
            assert [a["local"] for a in link["addr_info"] if a["family"] == "inet"] == [near(number)[1]]
            before = int(state(session, f"tunnel-ip{number}").findtext("{*}counters/{*}out-packets"))
            assert lab.answers(number, 5)
            entry = state(session, f"tunnel-ip{number}")
            assert int(entry.findtext("{*}counters/{*}out-packets")) >= before + 5
            assert entry.findtext("{*}configuration-status") == "applied"
        # The identifiers keep the tunnels apart, and both are the kernel's own ESP.
        identifiers = {lab.link(f"tunnel-ip{n}")["linkinfo"]["info_data"]["if_id"] for n in (1, 2)}
        assert len(identifiers) == 2
        states = lab.guest.run("ip xfrm state")
        assert states.count("proto esp") >= 4 and all(f"if_id {i}" in states for i in identifiers)
        assert "espinudp" not in states


def test_one_tunnel_goes_and_the_other_stays(lab):
    with lab.manager() as session:
        commit(session, interface("tunnel-ip2", "<shutdown/>"))
        lab.eventually(lambda: not lab.answers(2))
        assert lab.answers(1, 3)
        commit(session, interface("tunnel-ip2", operation="delete"))
        lab.eventually(lambda: lab.link("tunnel-ip2") is None)
        assert lab.answers(1, 3)


def test_tunnels_outlive_the_agent(lab):
    index = lab.link("tunnel-ip1")["ifindex"]
    lab.kill()
    assert lab.answers(1, 3)
    assert lab.link("tunnel-ip1")["ifindex"] == index


@pytest.mark.long
def test_the_next_agent_leaves_tunnels_as_they_are(lab):
    index = lab.link("tunnel-ip1")["ifindex"]
    # What the killed agent might have left: a link that it made for a tunnel that is not configured any more. The other
    # is somebody else's.
    lab.guest.run("ip link add name tunnel-ip92 type xfrm if_id 92; ip link set dev tunnel-ip92 group 1634169956")
    lab.guest.run("ip link add name tunnel-ip91 type xfrm if_id 91")
    lab.start()
    lab.eventually(lambda: lab.link("tunnel-ip92") is None)
    assert lab.link("tunnel-ip91") is not None
    assert lab.answers(1, 3)
    assert lab.link("tunnel-ip1")["ifindex"] == index


@pytest.mark.long
def test_loopback_interfaces_are_made_by_being_configured(lab):
    address = addresses("198.51.100.1", "255.255.255.255")
    with lab.manager() as session:
        commit(session, interface("Loopback0", address))
        lab.eventually(lambda: (lab.link("Loopback0") or {}).get("addr_info"))
        link = lab.link("Loopback0")
        assert link["linkinfo"]["info_kind"] == "dummy" and "UP" in link["flags"]
        assert "198.51.100.1" in [a["local"] for a in link["addr_info"]]
        commit(session, interface("Loopback0", operation="delete"))
        lab.eventually(lambda: lab.link("Loopback0") is None)
