# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""What `get` shows of tunnels, beside what charon at the far end says, while packets go through."""

import os
import signal
import time

import ipseclab
from conftest import BASE, eventually
from ipsecconfig import (
    FAR, INTERFACE, NEAR, commit, configuration, dynamic_ppk, manual_ppk, plain_ppk, sks_profile, swanctl,
)
from ipseclab import far_agent, far_charon, is_up, kmes
from lxml import etree
from plaincharon import TUN

pytestmark = ipseclab.needed

IKEV2_OPER = "http://cisco.com/ns/yang/Cisco-IOS-XR-ikev2-oper"
IPSEC_OPER = "http://cisco.com/ns/yang/Cisco-IOS-XR-ipsec-xr-oper"
OPER = "urn:agentd:yang:agentd-ipsec-oper"
NODE = "<node-name>0/RP0/CPU0</node-name>"


def get(session, filter):
    reply = session.get(filter=("subtree", filter))
    return etree.fromstring(reply.xml.encode()).find(f"{{{BASE}}}data")


def node(session, content=""):
    data = get(session, f'<ikev2 xmlns="{IKEV2_OPER}"><nodes><node>{NODE}{content}</node></nodes></ikev2>')
    return data.find("{*}ikev2/{*}nodes/{*}node")


def sessions(session, content="<session-ids/>"):
    found = node(session, content)
    return [] if found is None else found.findall("{*}session-ids/{*}session-id")


def pairs(session, name="tunnel-ip1"):
    data = get(session, f'<ipsec xmlns="{IPSEC_OPER}"><ipsec-sa><interfaces><interface><name>{name}</name></interface>'
                        "</interfaces></ipsec-sa></ipsec>")
    return data.findall("{*}ipsec/{*}ipsec-sa/{*}interfaces/{*}interface/{*}sa")


def tunnel(session, name="tunnel-ip1"):
    data = get(session, f'<ipsec-state xmlns="{OPER}"><tunnel><name>{name}</name></tunnel></ipsec-state>')
    return data.find("{*}ipsec-state/{*}tunnel")


def charon(session):
    return get(session, f'<ipsec-state xmlns="{OPER}"><charon/></ipsec-state>').find("{*}ipsec-state/{*}charon")


def texts(element):
    """The leafs of an element, by name."""
    return {etree.QName(child).localname: child.text for child in element if len(child) == 0}


def numbers(element):
    return {name: int(text) for name, text in texts(element).items() if text.isdigit()}


def raw(text, key):
    """A value of swanctl --list-sas --raw."""
    return text.split(f"{key}=")[1].split()[0].rstrip("}")


def test_a_session_in_all_its_leafs(near, ends, tmp_path):
    text = swanctl(FAR, NEAR, ppk=plain_ppk(), extra="ppk_id = ppk1\n  ppk_required = yes")
    with far_charon(tmp_path, ends, text) as far, near.manager() as session:
        commit(session, configuration(NEAR, FAR, ppk=manual_ppk()))
        is_up(ends, near, far)
        # With a PPK the IKE SA is rekeyed at once: what comes after that stays.
        eventually(lambda: len(sessions(session)[0].findall("{*}sa")) == 1)
        (shown,) = sessions(session)
        far_says = far.sas()
        top = texts(shown)
        assert (top["id"], top["session-id"], top["tunnel"]) == ("1", "1", "tunnel-ip1")
        assert (top["session-status"], top["ike-cnt"], top["child-cnt"]) == ("UP-ACTIVE", "1", "1")
        sa = texts(shown.find("{*}sa"))
        # The userspace data plane feigns a NAT, so that both ends have gone to port 4500.
        assert (sa["local-addr-port"], sa["remote-addr-port"]) == (f"{NEAR}/4500", f"{FAR}/4500")
        assert (sa["fvrf"], sa["state"], sa["status-desc"]) == ("Default", "READY", "Negotiation done")
        assert (sa["encr"], sa["keysize"], sa["prf"], sa["hash"], sa["dh-group"]) == (
            "AES-CBC", "256", "SHA256", "SHA256", "20")
        assert (sa["auth-sign"], sa["auth-verify"]) == ("PSK", "PSK")
        lifetime, active = map(int, sa["life-active"].split("/"))
        assert lifetime == 86400 and active < 60
        assert (sa["local-id"], sa["remote-id"], sa["sa-initiator"]) == (NEAR, FAR, "true")
        assert sa["quantum-resistance"] == "Enabled with manual PPK"
        assert (sa["dpd-interval"], sa["dpd-retry"]) == ("10", "2")
        # Nine tenths of the lifetime, less a random part of up to the last tenth, less the seconds gone by.
        assert 69000 < int(sa["rekey-time"]) <= 77760
        # The far end knows the same SPIs, and the same pair the other way.
        assert sa["local-spi"].lower() == raw(far_says, "initiator-spi")
        assert sa["remote-spi"].lower() == raw(far_says, "responder-spi")
        child = texts(shown.find("{*}child-sa"))
        assert child["esp-spi-in-out"] == f"0x{raw(far_says, 'spi-out')} / 0x{raw(far_says, 'spi-in')}"
        assert child["local-selector"] == child["remote-selector"] == "0.0.0.0/0 - 255.255.255.255/65535"
        assert (child["encr"], child["keysize"], child["hmac"]) == ("AES-CBC", "256", "SHA256")
        (pair,) = pairs(session)
        leafs = texts(pair)
        assert (leafs["interface"], leafs["mode"], leafs["quantum-resistant"]) == ("tunnel-ip1", "Tunnel", "Yes")
        assert (leafs["pfs-enabled"], leafs["pfs-group"]) == ("No", "None")
        index = ends.near.link(TUN)["ifindex"]
        assert int(leafs["ifh"]) == index
        inward, outward = texts(pair.find("{*}in-sa")), texts(pair.find("{*}out-sa"))
        assert int(inward["spi"]) == int(raw(far_says, "spi-out"), 16)
        assert int(outward["spi"]) == int(raw(far_says, "spi-in"), 16)
        assert (inward["prot"], inward["encr"], inward["auth"]) == ("ESP", "ESP_256_AES", "HMAC_SHA_256")
        assert 14300 < int(inward["lifetime"]) <= 14400 and int(inward["rekey-time"]) < int(inward["lifetime"])
        # The same SA wherever the model has it.
        for place in (f"<sa><local-v4><ip><address>{NEAR}</address></ip></local-v4></sa>",
                      f"<sa><remote-v4><ip><address>{FAR}</address></ip></remote-v4></sa>", "<sa><all/></sa>"):
            (same,) = node(session, place).findall(".//{*}tunnel-id/..")
            assert texts(same)["local-spi"] == sa["local-spi"], place
        assert node(session, "<sa><remote-v4><ip><address>192.0.2.99</address></ip></remote-v4></sa>").find(
            ".//{*}tunnel-id") is None
        assert sessions(session, "<session-ids><session-id><id>2</id></session-id></session-ids>") == []
        (one,) = sessions(session, "<session-ids><session-id><id>1</id><session-status/></session-id></session-ids>")
        assert texts(one) == {"id": "1", "session-status": "UP-ACTIVE"}
        summary = texts(node(session, "<summary/>").find("{*}summary"))
        assert (summary["total-sa"], summary["total-sa-active"], summary["outgoing-sa-active"]) == ("1", "1", "1")
        assert (summary["ppk-total-sess-cnt"], summary["ppk-manual-sess-cnt"], summary["fips-mode"]) == (
            "1", "1", "Disabled")
        proposal = node(session, "<proposals><proposal><name>pr</name></proposal></proposals>").find(".//{*}proposal")
        assert texts(proposal)["encryption-alg"] == "AES-CBC-256"
        profile = node(session, "<profiles/>").find(".//{*}profile")
        assert texts(profile)["keyring-ppk"] == "k1"
        assert profile.findtext("{*}remote-id/{*}ipv4/{*}address") == FAR


def test_traffic_is_counted_over_rekeys(near, ends, tmp_path):
    with far_charon(tmp_path, ends, swanctl(FAR, NEAR)) as far, near.manager() as session:
        commit(session, configuration(NEAR, FAR))
        is_up(ends, near, far)
        before = numbers(tunnel(session).find("{*}traffic"))
        assert ends.ping(10)
        time.sleep(0.6)
        after = numbers(tunnel(session).find("{*}traffic"))
        assert after["in-packets"] - before["in-packets"] == 10
        assert after["out-packets"] - before["out-packets"] == 10
        # 28 octets of headers and 42 of the echo in each.
        assert after["out-octets"] - before["out-octets"] == 700
        pair = numbers(pairs(session)[0].find("{*}traffic"))
        assert pair["out-packets"] == after["out-packets"] and pair["out-idle"] <= 5
        # A new pair begins at zero; the tunnel goes on.
        old = pairs(session)[0].findtext("{*}sa-id")
        far.swanctl("--rekey", "--child", "c")
        eventually(lambda: old not in [it.findtext("{*}sa-id") for it in pairs(session)])
        assert ends.ping(5)
        time.sleep(0.6)
        pair = numbers(pairs(session)[0].find("{*}traffic"))
        assert pair["out-packets"] == 5
        assert texts(pairs(session)[0])["pfs-enabled"] == "No", "the transform sets ask for none"
        total = numbers(tunnel(session).find("{*}traffic"))
        assert total["out-packets"] == after["out-packets"] + 5
        assert total["in-packets"] == after["in-packets"] + 5
        events = numbers(tunnel(session).find("{*}events"))
        assert (events["child-rekeys"], events["ike-rekeys"]) == (1, 0)
        far.swanctl("--rekey", "--ike", "far")
        eventually(lambda: numbers(tunnel(session).find("{*}events"))["ike-rekeys"] == 1)
        assert texts(sessions(session)[0].find("{*}sa"))["sa-initiator"] == "false", "the far end has rekeyed"
        stats = node(session, "<stats/>").find("{*}stats")
        assert numbers(stats.find("{*}ike-sa-init-cnt"))["tx-req"] >= 1
        assert numbers(stats.find("{*}create-child-sa-cnt"))["rx-req"] == 2
        assert int(stats.findtext("{*}rx-succ")) > 5
        assert stats.find("{*}cookie-cnt") is None, "what nobody counts is absent"


def test_a_tunnel_that_is_down_says_why(near, ends, tmp_path):
    with near.manager() as session:
        assert texts(charon(session))["status"] == "stopped", "without tunnels there is none"
        assert "last-error" not in texts(charon(session))
        commit(session, configuration(NEAR, FAR))
        # Nobody is there.
        eventually(lambda: texts(charon(session))["status"] == "running")
        eventually(lambda: texts(tunnel(session))["status"] == "negotiating")
        assert [texts(it)["session-status"] for it in sessions(session)] == ["DOWN-NEGOTIATING"]
        assert texts(node(session, "<summary/>").find("{*}summary"))["total-sa-negotiating"] == "1"
        with far_charon(tmp_path, ends, swanctl(FAR, NEAR, psk="x" * 32)) as far:
            eventually(lambda: "preshared key" in texts(tunnel(session)).get("reason", "")
                       or "authentication" in texts(tunnel(session)).get("reason", ""), 60)
            # The attempt is over a moment after charon has told why.
            eventually(lambda: int(texts(tunnel(session))["failures"]) >= 1)
            state = texts(tunnel(session))
            assert state["status"] in ("down", "negotiating")
            assert state["last-failure-time"].startswith("20")
            assert int(numbers(tunnel(session).find("{*}events"))["authentication-failures"]) >= 1
            assert int(node(session, "<stats/>").findtext("{*}stats/{*}auth-failed-cnt/{*}rx-res")) >= 1
            far.load(swanctl(FAR, NEAR))
            eventually(lambda: texts(tunnel(session))["status"] == "up", 60)
            state = texts(tunnel(session))
            assert "reason" not in state and "last-failure" in state, "what failed before is remembered"
            assert (state["times-up"], state["session-id"], state["link"]) == ("1", "1", "ipsec0")
            assert (state["local-address"], state["remote-address"]) == (NEAR, FAR)
            assert (state["role"], state["quantum-resistance"]) == ("initiator-or-responder", "disabled")
            daemon = charon(session)
            assert texts(daemon)["version"].startswith(("5.9", "6."))
            assert texts(daemon)["data-plane"] == "userspace" and int(texts(daemon)["process-id"]) == near.charon
            assert "vici" in [it.text for it in daemon.findall("{*}plugin")]
            assert "last-error" not in texts(daemon) and texts(daemon)["ike-sas"] == "1"
            commit(session, f'<interfaces xmlns="{INTERFACE}"><interface><interface-name>tunnel-ip1</interface-name>'
                            "<shutdown/></interface></interfaces>")
            eventually(lambda: texts(tunnel(session))["status"] == "shutdown")
            assert texts(tunnel(session))["reason"] == "the interface is shut down"
            eventually(lambda: sessions(session) == [])


def test_what_is_shown_survives_agent_and_charon(near, ends, tmp_path):
    with far_charon(tmp_path, ends, swanctl(FAR, NEAR)) as far:
        with near.manager() as session:
            commit(session, configuration(NEAR, FAR))
            is_up(ends, near, far)
            spi = sessions(session)[0].findtext("{*}sa/{*}local-spi")
            time.sleep(2)
        near.stop(signal.SIGKILL)
        assert ends.ping(3)
        near.start()
        with near.manager() as session:
            eventually(lambda: texts(tunnel(session))["status"] == "up")
            assert sessions(session)[0].findtext("{*}sa/{*}local-spi") == spi
            assert texts(sessions(session)[0])["id"] == "1"
            daemon = texts(charon(session))
            assert (daemon["is-adopted"], daemon["restarts"]) == ("true", "0")
            # The pair counts on; the agent says since when it does.
            total = numbers(tunnel(session).find("{*}traffic"))
            assert total["out-packets"] >= 4
            os.kill(near.charon, signal.SIGKILL)
            eventually(lambda: texts(charon(session)).get("restarts") == "1")
            eventually(lambda: texts(tunnel(session))["status"] == "up", 30)
            assert sessions(session)[0].findtext("{*}sa/{*}local-spi") != spi
            again = numbers(tunnel(session).find("{*}traffic"))
            assert again["out-packets"] >= total["out-packets"], "what the old SAs carried is not forgotten"


def test_a_charon_that_hangs_delays_no_other_session(near, ends, tmp_path):
    with far_charon(tmp_path, ends, swanctl(FAR, NEAR)) as far:
        with near.manager() as session, near.manager() as other:
            commit(session, configuration(NEAR, FAR))
            is_up(ends, near, far)
            assert len(sessions(session)) == 1
            process = near.charon
            os.kill(process, signal.SIGSTOP)
            try:
                time.sleep(0.6)
                session.async_mode = True
                began = time.monotonic()
                waiting = session.get(filter=("subtree", f'<ipsec-state xmlns="{OPER}"/>'))
                get(other, f'<interfaces xmlns="{INTERFACE}"/>')
                quick = time.monotonic() - began
                assert not waiting.event.is_set(), "the read of charon's state waits"
                waiting.event.wait(20)
                slow = time.monotonic() - began
                data = etree.fromstring(waiting.reply.xml.encode())
                assert quick < slow < 15
                assert data.find(".//{*}tunnel/{*}status").text == "up", "what was known is shown"
                assert data.find(".//{*}charon/{*}last-error") is not None
            finally:
                os.kill(process, signal.SIGCONT)
                session.async_mode = False


def test_dynamic_ppks_at_both_ends(near, ends, tmp_path):
    with kmes(tmp_path, ends) as kme, far_agent(tmp_path, ends) as far:
        with far.manager() as there, near.manager() as here:
            commit(there, configuration(FAR, NEAR, ppk=dynamic_ppk(), responder=True,
                                        before=sks_profile(NEAR, kme["B"])))
            eventually(lambda: texts(tunnel(there))["reason"] == "it waits for the far end")
            assert texts(tunnel(there))["role"] == "responder-only"
            commit(here, configuration(NEAR, FAR, ppk=dynamic_ppk(), before=sks_profile(NEAR, kme["A"])))
            is_up(ends, near, limit=40)
            for session, other in ((here, there), (there, here)):
                eventually(lambda: len(sessions(session)[0].findall("{*}sa")) == 1)
                sa = texts(sessions(session)[0].find("{*}sa"))
                assert sa["quantum-resistance"] == "Enabled with dynamic PPK"
                assert texts(pairs(session)[0])["quantum-resistant"] == "Yes"
                assert texts(tunnel(session))["quantum-resistance"] == "dynamic-ppk"
                summary = texts(node(session, "<summary/>").find("{*}summary"))
                assert (summary["ppk-total-sess-cnt"], summary["ppk-dynamic-sess-cnt"]) == ("1", "1")
                # What one end sends, the other gets.
                mine, yours = pairs(session)[0], pairs(other)[0]
                assert mine.findtext("{*}in-sa/{*}spi") == yours.findtext("{*}out-sa/{*}spi")
            before = numbers(tunnel(here).find("{*}traffic"))["out-packets"]
            there_before = numbers(tunnel(there).find("{*}traffic"))["in-packets"]
            assert ends.ping(7)
            time.sleep(0.6)
            assert numbers(tunnel(here).find("{*}traffic"))["out-packets"] == before + 7
            assert numbers(tunnel(there).find("{*}traffic"))["in-packets"] == there_before + 7
