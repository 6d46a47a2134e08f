# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""The demo's NETCONF client: configures three key profiles with ncclient, takes a key, and prints the live state."""

import argparse
import sys
import time

from lxml import etree
from ncclient import manager
from ncclient.xml_ import to_ele

SKS = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-sks-server-cfg"
OPER = "http://cisco.com/ns/yang/Cisco-IOS-XR-sks-server-oper"
AGENTD_SKS = "urn:agentd:yang:agentd-sks"
INTERFACES = "urn:agentd:yang:agentd-interfaces"
BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"


def profile(name, options, extra=""):
    return f"""
  <profile>
    <profile-name>{name}</profile-name>
    <type>
      <remote>
        <kme>
          <server>
            <ipv4>127.0.0.1</ipv4>
            <port>{options.kme_port}</port>
          </server>
          <psk>
            <id>{options.psk_id}</id>
            <key>
              <seven>!{open(options.psk_file).read().strip()}</seven>
            </key>
          </psk>
          <client xmlns="{AGENTD_SKS}">
            <remote-system-id>{options.remote_id}</remote-system-id>
          </client>{extra}
        </kme>
      </remote>
    </type>
  </profile>"""


def configuration(options):
    proxy = f"""
          <http-proxy>
            <ipv4>127.0.0.1</ipv4>
            <port>{options.proxy_port}</port>
          </http-proxy>"""
    source = """
          <source-interface>HundredGigE0/1/0/17</source-interface>"""
    return f"""<config xmlns="{BASE}">
<interfaces-mapping xmlns="{INTERFACES}">
  <interface-mapping><xr-name>HundredGigE0/1/0/17</xr-name><linux-name>lo</linux-name></interface-mapping>
</interfaces-mapping>
<sks-server xmlns="{SKS}"><profiles>{profile("ProfileR1toR2", options)}{profile("ProfileThroughProxy", options, proxy)}
{profile("ProfileFromInterface", options, source)}
</profiles></sks-server></config>"""


def state(session):
    reply = session.get(("subtree", f'<sks xmlns="{OPER}"/>')).data_xml
    return etree.fromstring(reply.encode())


def text(element, path, default="-"):
    found = element.find("/".join(f"{{*}}{step}" for step in path.split("/")))
    return default if found is None or found.text is None else found.text


def named(tree, kind):
    return {text(entry, "profile-name"): entry for entry in tree.iter(f"{{{OPER}}}{kind}")}


def show(tree):
    statistics = named(tree, "profile-stat")
    for name, entry in named(tree, "profile").items():
        info, stat = entry.find("{*}remote-profile-info"), statistics[name]
        remotes = [text(r, "remote-identifier") for r in info.iterfind("{*}capability/{*}remote-id")]
        print(f"\nProfile Name         :{name}")
        print(f"Type                 :{text(entry, 'profile-type').removeprefix('profile-type-').capitalize()}")
        print(f"Registered Client    :{text(entry, 'reg-client-count')}")
        print(f"Server               :{text(info, 'server-addr')} port {text(info, 'server-port')}")
        if text(info, "http-proxy/http-proxy-host-name") != "-":
            proxy = text(info, "http-proxy/http-proxy-host-name"), text(info, "http-proxy/http-proxy-port")
            print(f"HTTP proxy           :{proxy[0]} port {proxy[1]}")
        if text(info, "server-intf") != "-":
            print(f"Source interface     :{text(info, 'server-intf')}")
        print(f"Status               :{text(info, 'state').removeprefix('state-')}")
        print(f"Authentication       :{text(info, 'auth-info/auth-type').removeprefix('sks-tls-auth-')}"
              f" ({text(info, 'auth-info/psk-auth/psk-identity')})")
        print(f"Capabilities         :key {text(info, 'capability/key-supported')},"
              f" entropy {text(info, 'capability/entropy-supported')}, algorithm {text(info, 'capability/algorithm')}")
        print(f"Local identifier     :{text(info, 'capability/local-identifier')}")
        print(f"Remote identifiers   :{', '.join(remotes)}")
        counters = stat.find("{*}http-counters")
        print("Requests             :" + ", ".join(
            f"{word} {text(counters, f'request-{word}')}" for word in ("total", "success", "failed")))
        print("Responses            :" + ", ".join(
            f"{word} {text(counters, f'response-{word}')}" for word in ("total", "success", "failed")))
        requests = stat.find("{*}http-transaction-request-counters")
        print("Transactions         :" + ", ".join(
            f"{leaf} {text(requests, leaf)}" for leaf in ("get-capability", "get-key", "get-key-with-id", "get-entropy")))
        times = stat.find("{*}response-time")
        print("Response time (ms)   :" + ", ".join(
            f"{word} {text(times, f'{word}-time')}" for word in ("max", "min", "avg", "last")))
        last = stat.find("{*}last-tran-info")
        print(f"Last transaction     :{text(last, 'trans-type').removeprefix('transaction-')},"
              f" HTTP {text(last, 'status-string')}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8830)
    parser.add_argument("--user", default="admin")
    parser.add_argument("--key", required=True)
    parser.add_argument("--kme-port", type=int, default=10001)
    parser.add_argument("--proxy-port", type=int, required=True)
    parser.add_argument("--psk-id", required=True)
    parser.add_argument("--psk-file", required=True)
    parser.add_argument("--remote-id", required=True)
    options = parser.parse_args()
    with manager.connect(
        host="127.0.0.1", port=options.port, username=options.user, key_filename=options.key, hostkey_verify=False,
        allow_agent=False, look_for_keys=False, device_params={"name": "iosxr"},
    ) as session:
        print("edit-config, validate, commit: three profiles of one KME (direct, through a proxy, from an interface)")
        with session.locked("candidate"):
            session.edit_config(target="candidate", config=configuration(options))
            session.validate("candidate")
            session.commit()
        deadline = time.monotonic() + 20
        while True:
            tree = state(session)
            states = [text(p, "remote-profile-info/state") for p in named(tree, "profile").values()]
            if states and all(s == "state-connected" for s in states):
                break
            if time.monotonic() > deadline:
                show(tree)
                sys.exit("the profiles did not all connect within 20 s")
            time.sleep(0.2)
        for name in named(tree, "profile"):
            reply = session.dispatch(to_ele(
                f'<test-key xmlns="{AGENTD_SKS}"><profile-name>{name}</profile-name></test-key>'))
            answer = etree.fromstring(reply.xml.encode())
            print(f"test-key {name}: key {text(answer, 'key-id')}, fingerprint {text(answer, 'fingerprint')}")
        show(state(session))


if __name__ == "__main__":
    main()
