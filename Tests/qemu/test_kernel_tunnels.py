# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Tunnels through the kernel's ESP and XFRM interfaces, on Debian's kernel.

The agent is configured by NETCONF from outside of the guest; at the far end is a charon that swanctl configures.
"""

import importlib
import pathlib
import socket
import sys
import time
from importlib import util

import pytest
from conftest import BUILD, ROOT



def interop():
    """The harness of Tests/Interop: its modules look for a conftest of their own, and there can be one of that name."""
    folder = ROOT / "Tests" / "Interop"
    spec = util.spec_from_file_location("conftest", folder / "conftest.py")
    conftest = util.module_from_spec(spec)
    ours = sys.modules["conftest"]
    sys.modules["conftest"] = conftest
    sys.path.insert(0, str(folder))
    try:
        spec.loader.exec_module(conftest)
        return conftest, importlib.import_module("ipseclab"), importlib.import_module("test_ipsec")
    finally:
        sys.path.remove(str(folder))
        sys.modules["conftest"] = ours


harness, ipseclab, test_ipsec = interop()
PSK = "0123456789abcdef0123456789abcdef"
PLUGINS = pathlib.Path("/usr/lib/ipsec/plugins")
WANTED = ("random nonce openssl aes sha1 sha2 hmac kdf gmp gcm drbg x509 revocation constraints pubkey pkcs1 pkcs7 "
          "pkcs8 pem kernel-netlink socket-default vici counters error-notify").split()
FAR = """
connections {{
  far{n} {{
    version = 2
    local_addrs = 192.0.2.{last}
    remote_addrs = 192.0.2.1
    proposals = aes256-sha256-ecp384
    if_id_in = {n}
    if_id_out = {n}
    local {{ auth = psk
      id = 192.0.2.{last} }}
    remote {{ auth = psk
      id = 192.0.2.1 }}
    children {{ c{n} {{
      local_ts = 0.0.0.0/0
      remote_ts = 0.0.0.0/0
      if_id_in = {n}
      if_id_out = {n}
      esp_proposals = aes256-sha256 }} }} }} }}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def bed(boot, tmp_path_factory):
    """The guest, and the agent in it as far as ncclient sees it."""
    programs = [pathlib.Path(p) for p in ("/usr/sbin/charon-systemd", "/usr/sbin/swanctl")]
    if not all(p.exists() for p in programs):
        pytest.skip("charon-systemd and strongswan-swanctl are not installed")
    agent = harness.Agent(tmp_path_factory.mktemp("agent"))
    agent.port = free_port()
    add = [f"{BUILD / 'agentd'}:/root/agentd", f"{ROOT / 'yang'}:/root/yang", f"{agent.data}:/root/data"]
    add += [str(p) for p in programs]
    add += [str(PLUGINS / f"libstrongswan-{name}.so") for name in WANTED]
    add += [str(p) for p in (pathlib.Path("/etc/nsswitch.conf"),) if p.exists()]
    with boot(add=add, modules=["jitterentropy_rng", "drbg"], forwards={agent.port: 830}, memory=1200) as guest:
        guest.run("ip netns add far; ip link add v0 type veth peer name v1 netns far")
        guest.run("ip address add 192.0.2.1/24 dev v0; ip link set v0 up; ip -n far link set lo up")
        guest.run("ip -n far link set v1 up; ip -n far address add 192.0.2.2/24 dev v1")
        guest.run("ip -n far address add 192.0.2.3/24 dev v1")
        for n in (1, 2):
            guest.run(f"ip -n far link add x{n} type xfrm if_id {n}; ip -n far link set x{n} up")
            guest.run(f"ip -n far address add 172.16.{n}.2/30 dev x{n}")
        guest.run("mkdir -p /root/far /etc/swanctl; touch /etc/strongswan.conf")
        guest.run("cat >/root/far/strongswan.conf <<'END'\ncharon {\n  load = " + " ".join(WANTED)
                  + "\n  install_routes = no\n  filelog { l { path = /tmp/far.log\n  flush_line = yes } }\n"
                  "  plugins { vici { socket = unix:///run/charon.far.vici } }\n}\nEND")
        guest.run("STRONGSWAN_CONF=/root/far/strongswan.conf ip netns exec far /usr/sbin/charon-systemd "
                  "</dev/null >/dev/null 2>&1 &")
        text = "".join(FAR.format(n=n, last=n + 1) for n in (1, 2))
        secret = f'secrets {{ ike-1 {{ id = 192.0.2.1\n secret = "{PSK}" }} }}\n'
        guest.run(f"cat >/root/far/swanctl.conf <<'END'\n{text}{secret}END")
        guest.run("i=0; while [ $i -lt 60 ] && ! [ -e /run/charon.far.vici ]; do sleep 1; i=$((i+1)); done; "
                  "swanctl --load-all --file /root/far/swanctl.conf --uri unix:///run/charon.far.vici", limit=120)
        guest.run("cd /root; /root/agentd run --data-directory /root/data --yang /root/yang --listen 0.0.0.0:830 "
                  "--charon-directory /run/charon.near </dev/null >/tmp/agent.out 2>/tmp/agent.log &")
        until(guest, "the agent listens", lambda: "netconf" in guest.run("cat /tmp/agent.out"), 240)
        yield guest, agent


def until(guest, what, check, limit=120):
    deadline = time.monotonic() + limit
    while not check():
        if time.monotonic() > deadline:
            logs = guest.run("tail -n 25 /tmp/agent.log; tail -n 25 /tmp/far.log; ip xfrm state; ip -br address",
                             check=False)
            pytest.fail(f"not within {limit} s: {what}\n{logs}")
        time.sleep(0.5)


def test_two_tunnels_through_kernel_esp_and_xfrm_interfaces(bed):
    guest, agent = bed
    ipseclab.INNER.update({"192.0.2.1": "172.16.1.1"})
    first = test_ipsec.configuration("192.0.2.1", "192.0.2.2", psk=PSK)
    ipseclab.INNER.update({"192.0.2.1": "172.16.2.1"})
    second = test_ipsec.configuration("192.0.2.1", "192.0.2.3", psk=PSK, number=2)
    with agent.manager(timeout=180) as session:
        test_ipsec.commit(session, first + second)
        for n in (1, 2):
            until(guest, f"packets through tunnel {n}", lambda: " 0% packet loss" in guest.run(
                f"ping -c 2 -W 2 172.16.{n}.2", check=False))
        links = guest.run("ip -d link show type xfrm")
        assert "tunnel-ip1" in links and "if_id 0x1" in links, links
        assert "tunnel-ip2" in links and "if_id 0x2" in links, links
        states = guest.run("ip xfrm state")
        assert states.count("proto esp") >= 4 and "espinudp" not in states, states
        assert "if_id 0x1" in states and "if_id 0x2" in states, states
        # One tunnel's interface and SAs go, the other's stay.
        test_ipsec.commit(session, f'<interfaces xmlns="{ipseclab.INTERFACE}"><interface xmlns:nc="{test_ipsec.BASE}" '
                                   'nc:operation="delete"><interface-name>tunnel-ip2</interface-name></interface>'
                                   "</interfaces>")
        until(guest, "the second link is gone", lambda: "tunnel-ip2" not in guest.run("ip link show type xfrm"))
        assert " 0% packet loss" in guest.run("ping -c 3 -W 2 172.16.1.2")
    # The agent dies, the tunnel does not.
    guest.run("kill -9 $(pidof agentd)")
    assert " 0% packet loss" in guest.run("ping -c 3 -W 2 172.16.1.2")
