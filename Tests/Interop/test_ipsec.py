# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Tunnels with preshared keys: what NETCONF configures comes up against charons, and carries packets."""

import time

import ipseclab
import pytest
from conftest import BASE, eventually
from ipsecconfig import (
    AGENTD_IPSEC, FAR, IKEV2, INNER, IPSEC, NEAR, TUNNEL, commit, configuration, interface, manual_ppk, plain_ppk,
    swanctl,
)
from ipseclab import LINK, Traffic, Wire, far_charon, is_up, notifications
from lxml import etree
from ncclient.operations.rpc import RPCError

pytestmark = ipseclab.needed


def test_preshared_key_and_packets_protected_on_the_wire(near, ends, tmp_path):
    with far_charon(tmp_path, ends, swanctl(FAR, NEAR)) as far, near.manager() as session:
        assert near.charon is None, "without tunnels there is no charon"
        commit(session, configuration(NEAR, FAR))
        is_up(ends, near, far)
        with Wire(ends) as wire:
            assert ends.ping(5)
            eventually(lambda: wire.esp() >= 10, 5)
        assert not wire.has(b"clear text of a ping")
        assert "ppk=yes" not in far.sas()
        # The last tunnel takes charon with it.
        commit(session, interface("tunnel-ip1", operation="delete"))
        eventually(lambda: near.charon is None)
        eventually(lambda: "ESTABLISHED" not in far.sas())


def test_a_refused_commit_tells_everything_with_its_place(near):
    with near.manager() as session:
        body = configuration(NEAR, FAR).replace("<transform1>ts1<", "<transform1>ts9<").replace(
            "<profile>ip1</profile>", "<profile>ip9</profile>")
        with pytest.raises(RPCError) as caught:
            commit(session, body)
        text = "".join(etree.tostring(e.xml, encoding="unicode") if hasattr(e, "xml") else str(e)
                       for e in getattr(caught.value, "errors", [caught.value]))
        assert "there is no transform set" in text and "ts9" in text
        assert "there is no IPsec profile" in text and "ip9" in text
        # As a router does, if it is told so: the tunnel stays down.
        commit(session, body.replace(
            f'<ikev2 xmlns="{IKEV2}">', f'<ikev2 xmlns="{IKEV2}"><reference-check xmlns="{AGENTD_IPSEC}">warn'
            "</reference-check>"))
        eventually(lambda: "there is no IPsec profile 'ip9'" in near.program.text())
        # What a tunnel can be besides is not in the schema, or refused.
        with pytest.raises(RPCError):
            commit(session, interface("tunnel-ip1", f'<tunnel xmlns="{TUNNEL}"><tos>7</tos></tunnel>'))


def test_wrong_preshared_key_is_told_and_mended(near, ends, tmp_path):
    with far_charon(tmp_path, ends, swanctl(FAR, NEAR, psk="x" * 32)) as far, near.manager() as session:
        with notifications(near) as notification:
            commit(session, configuration(NEAR, FAR))
            failed = notification("negotiation-failed")
            assert failed.findtext("{*}interface-name") == "tunnel-ip1"
            assert failed.findtext("{*}kind") == "authentication"
            assert not ends.ping(1)
            far.load(swanctl(FAR, NEAR))
            up = notification("tunnel-up", limit=40)
            assert up.findtext("{*}quantum-resistance") == "disabled"
            assert up.findtext("{*}remote-identity") == FAR
        is_up(ends, near, far)


def test_responder_only_waits_to_be_asked(near, ends, tmp_path):
    with far_charon(tmp_path, ends, swanctl(FAR, NEAR)) as far, near.manager() as session:
        with Wire(ends) as wire:
            commit(session, configuration(NEAR, FAR, responder=True))
            eventually(lambda: "charon is ready" in near.program.text())
            # An initiator is on the wire in a tenth of that.
            time.sleep(2)
            assert not any(b"\x01\xf4\x01\xf4" in frame for frame in wire.frames), "it has begun by itself"
        assert "list-sa event" not in far.sas()
        far.swanctl("--initiate", "--child", "c")
        is_up(ends, near, far)


def test_new_keys_of_both_sas_from_both_ends_under_traffic_lose_nothing(near, ends, tmp_path):
    text = swanctl(FAR, NEAR, ppk=plain_ppk(), extra="ppk_id = ppk1\n  ppk_required = yes")
    with far_charon(tmp_path, ends, text) as far, near.manager() as session, notifications(near) as notification:
        commit(session, configuration(NEAR, FAR, ppk=manual_ppk()))
        is_up(ends, near, far)
        # The near end rekeys at once, for the PPK.
        assert notification("tunnel-rekeyed").findtext("{*}scope") == "ike-sa"
        near_child = near.swanctl("--list-conns", "--raw").split("children {")[1].split()[0]
        with Traffic(ends) as traffic:
            for charon, words, scope in (
                (far, ("--child", "c"), "child-sa"), (near, ("--child", near_child), "child-sa"),
                (far, ("--ike", "far"), "ike-sa"), (near, ("--ike", "agentd:tunnel-ip1:1"), "ike-sa"),
                (far, ("--child", "c"), "child-sa"),
            ):
                charon.swanctl("--rekey", *words)
                assert notification("tunnel-rekeyed").findtext("{*}scope") == scope
                time.sleep(0.3)
        assert len(traffic.sent) > 50 and traffic.lost == []
        assert "ppk=yes" in far.sas()


def test_a_far_end_that_vanishes_is_noticed_and_found_again(near, ends, tmp_path):
    with far_charon(tmp_path, ends, swanctl(FAR, NEAR)) as far, near.manager() as session:
        with notifications(near) as notification:
            commit(session, configuration(NEAR, FAR))
            notification("tunnel-up")
            ends.cut()
            began = time.monotonic()
            # 10 s of silence, the shortest that the model has, then three requests 2 s apart.
            notification("tunnel-down", limit=60)
            assert 5 < time.monotonic() - began < 25
            ends.mend()
            notification("tunnel-up", limit=60)
        is_up(ends, near, far)


def test_a_tunnel_follows_the_address_of_its_source_interface(near, ends, tmp_path):
    other = "192.0.2.11"
    both = swanctl(FAR, NEAR).replace("remote_addrs = " + NEAR, f"remote_addrs = {NEAR},{other}").replace(
        f"id = {NEAR}\n", "id = near.example.org\n")
    mapping = ('<interfaces-mapping xmlns="urn:agentd:yang:agentd-interfaces"><interface-mapping>'
               f"<xr-name>GigabitEthernet0/1/0/2</xr-name><linux-name>{LINK}</linux-name>"
               "</interface-mapping></interfaces-mapping>")
    local = "<identity><local><fqdn>near.example.org</fqdn></local></identity>"
    with far_charon(tmp_path, ends, both) as far, near.manager() as session:
        commit(session, configuration(NEAR, FAR, before=mapping, local_identity=local,
                                      source="<interface-name>GigabitEthernet0/1/0/2</interface-name>"))
        is_up(ends, near, far)
        ends.near.ip("address", "flush", "dev", LINK)
        ends.near.ip("address", "add", f"{other}/24", "dev", LINK)
        eventually(lambda: f"remote-host={other}" in far.sas() and "INSTALLED" in far.sas(), 60)
        is_up(ends, near, far)


def test_the_userspace_data_plane_carries_one_tunnel_and_says_so(near):
    with near.manager() as session:
        if "xfrm" in near.program.text():
            pytest.skip("this kernel has XFRM interfaces")
        two = configuration(NEAR, FAR) + configuration(NEAR, "192.0.2.3", number=2, inner="172.16.1.1")
        with pytest.raises(RPCError) as caught:
            commit(session, two)
        assert "one route-based tunnel" in str(caught.value)


def test_what_the_far_end_protects_is_routed_to_the_tunnel(near, ends, tmp_path):
    site, host = "10.99.7.0/24", "10.99.7.1"
    text = swanctl(FAR, NEAR).replace("local_ts = 0.0.0.0/0", f"local_ts = {site}")
    assert site in text
    with far_charon(tmp_path, ends, text) as far, near.manager() as session, notifications(near) as notification:
        ends.far.ip("address", "add", f"{host}/32", "dev", "lo")
        ends.far.ip("link", "set", "lo", "up")

        def routes():
            return ends.near.ip("route", "show", site)

        commit(session, configuration(NEAR, FAR))
        notification("tunnel-up")
        time.sleep(1)
        assert routes() == "", "nobody asked for it"
        reverse = ('<ipsec xmlns="{}"><profiles><profile><profile-name>ip1</profile-name><set><reverse-route {}/></set>'
                   "</profile></profiles></ipsec>")
        commit(session, reverse.format(IPSEC, ""))
        eventually(lambda: "dev ipsec0" in routes(), 20)
        answered = eventually(lambda: ends.near.within(lambda: ipseclab.echo(host, 3)) == 3, 20)
        assert answered, far.text()[-2000:]
        # It goes with the session, and with the leaf.
        commit(session, reverse.format(IPSEC, f'xmlns:nc="{BASE}" nc:operation="delete"'))
        eventually(lambda: routes() == "", 20)
