# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Reads of the operational state of N IPsec tunnels from an agent whose charon is fakecharon.py, one JSON line each.

    ipsec.py --agent PROGRAM --yang FOLDER [--sizes 1000,...] [--reads 20]

`wall_ms` is what the client sees, from the request to the last byte; `agent_ms` is the processor time of the agent
for one read. fakecharon.py runs beside it and takes its own part of the wall time.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from workloads import BASE, Client

HERE = pathlib.Path(__file__).resolve().parent
CISCO = "http://cisco.com/ns/yang/Cisco-IOS-XR"
NODE = f'<ikev2 xmlns="{CISCO}-ikev2-oper"><nodes><node>'
READS = {
    "sessions": NODE + "<session-ids/></node></nodes></ikev2>",
    "one session": NODE + "<session-ids><session-id><id>7</id></session-id></session-ids></node></nodes></ikev2>",
    "SAs by interface": f'<ipsec xmlns="{CISCO}-ipsec-xr-oper"/>',
    "all of IKEv2 and IPsec": f'<ikev2 xmlns="{CISCO}-ikev2-oper"/><ipsec xmlns="{CISCO}-ipsec-xr-oper"/>'
                              '<ipsec-state xmlns="urn:agentd:yang:agentd-ipsec-oper"/>',
}
# A tunnel, so that the agent keeps a charon at all.
TUNNEL = f"""
<keyrings xmlns="{CISCO}-um-ikev2-cfg"><keyring><ikev2-keyring-name>k</ikev2-keyring-name><peers><peer>
<peer-name>p</peer-name><address>192.0.2.9</address><mask>255.255.255.255</mask>
<pre-shared-key><password>!0123456789abcdef0123456789abcdef</password></pre-shared-key></peer></peers></keyring></keyrings>
<ikev2 xmlns="{CISCO}-um-ikev2-cfg"><profile><ikev2-profile-names><ikev2-profile-name>
<ikev2-profile-name>p</ikev2-profile-name><match><identity><remote><addresses><address>
<remote-address>192.0.2.9</remote-address><mask>255.255.255.255</mask></address></addresses></remote></identity></match>
<keyring>k</keyring></ikev2-profile-name></ikev2-profile-names></profile></ikev2>
<ipsec xmlns="{CISCO}-um-ipsec-cfg"><transform-sets><transform-set><transform-set-name>t</transform-set-name>
<transform><esp-hmac-sha-256/><esp-256-aes/></transform><mode><tunnel/></mode></transform-set></transform-sets>
<profiles><profile><profile-name>i</profile-name><set><transform-set><transform1>t</transform1></transform-set>
<ikev2-profile>p</ikev2-profile><responder-only/></set></profile></profiles></ipsec>
<interfaces xmlns="{CISCO}-um-interface-cfg"><interface><interface-name>tunnel-ip60000</interface-name>
<tunnel xmlns="{CISCO}-um-if-tunnel-cfg"><source><ipv4-address>192.0.2.1</ipv4-address></source>
<destination><ipv4-address>192.0.2.9</ipv4-address></destination><mode><ipsec><ipv4/></ipsec></mode>
<protection><ipsec><profile>i</profile></ipsec></protection></tunnel></interface></interfaces>"""


def processor_time(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(options, count, work):
    socket = f"{work}/charon-{count}.vici"
    charon = subprocess.Popen([sys.executable, HERE / "fakecharon.py", socket, str(count)], stdout=subprocess.PIPE)
    charon.stdout.readline()
    data = f"{work}/data-{count}"
    subprocess.run([options.agent, "user", "add", "admin", "--authorized-key", f"{work}/key.pub", "--data-directory",
                    data, "--yang", options.yang], check=True, stdout=subprocess.DEVNULL)
    agent = subprocess.Popen(
        [options.agent, "run", "--data-directory", data, "--yang", options.yang, "--listen", "127.0.0.1:0", "--charon",
         socket, "--log-level", "warning"], stdout=subprocess.PIPE, stderr=open(f"{work}/agentd.log", "w"))
    try:
        port = json.loads(agent.stdout.readline())["netconf"][0]["port"]
        client = Client(["ssh", "-F", "/dev/null", "-T", "-q", "-p", str(port), "-i", f"{work}/key", "-o",
                         "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-l", "admin", "-s",
                         "127.0.0.1", "netconf"])
        client.call(f"<edit-config><target><candidate/></target><config>{TUNNEL}</config></edit-config>")
        client.call("<commit/>")
        deadline = time.monotonic() + 30
        while client.call(get(READS["sessions"])).count(b"<session-status>UP-ACTIVE") < count:
            if time.monotonic() > deadline:
                sys.exit(f"ipsec: {count} sessions did not come\n{open(f'{work}/agentd.log').read()[-2000:]}")
            time.sleep(0.2)
        for what, filter in READS.items():
            walls, sizes = [], []
            used = processor_time(agent.pid)
            for _ in range(options.reads):
                # Longer than an answer of charon counts: each read asks it anew.
                time.sleep(0.55)
                begun = time.perf_counter()
                sizes.append(len(client.call(get(filter))))
                walls.append((time.perf_counter() - begun) * 1000)
            used = (processor_time(agent.pid) - used) / options.reads * 1000
            print(json.dumps({"workload": what, "n": count, "wall_ms": round(statistics.median(walls), 1),
                              "agent_ms": round(used, 1), "kilobytes": max(sizes) // 1000}), flush=True)
        client.close()
    finally:
        agent.terminate()
        agent.wait(20)
        charon.terminate()
        charon.wait(20)


def get(filter):
    return f'<get xmlns="{BASE}"><filter type="subtree">{filter}</filter></get>'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agent", required=True)
    parser.add_argument("--yang", required=True)
    parser.add_argument("--sizes", type=lambda s: [int(n) for n in s.split(",")], default=[1000, 10000])
    parser.add_argument("--reads", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{work}/key"], check=True)
        for count in options.sizes:
            measure(options, count, work)


if __name__ == "__main__":
    main()
