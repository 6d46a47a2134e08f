# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""What was committed is there after any death of the agent; what was not acknowledged is there whole or not at all."""

import random
import re
import signal
import threading
import time

from conftest import LONG, SKS, Agent
from rawclient import Closed, RawSession

ROUNDS = 200 if LONG else 12
READ = f'<get-config><source><running/></source><filter><sks-server xmlns="{SKS}"/></filter></get-config>'


def edit(number):
    """Two profiles that only ever change together."""
    entries = "".join(
        f"<profile><profile-name>{name}</profile-name><type><remote><kme><server><ipv4>127.0.0.1</ipv4>"
        f"<port>{number}</port></server></kme></remote></type></profile>"
        for name in ("left", "right")
    )
    return (
        f'<edit-config><target><candidate/></target><config><sks-server xmlns="{SKS}"><profiles>{entries}'
        "</profiles></sks-server></config></edit-config>"
    )


def running(agent):
    with RawSession(agent.ssh()) as session:
        return [int(p) for p in re.findall(r"<port>(\d+)</port>", session.rpc(READ))]


def test_running_survives_kill_at_any_moment(tmp_path):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    agent = Agent(tmp_path).start()
    acknowledged, number = 0, 1
    try:
        for _ in range(ROUNDS):
            with RawSession(agent.ssh()) as session:
                threading.Timer(chance.uniform(0.0, 0.25), agent.program.process.send_signal, [signal.SIGKILL]).start()
                attempted = acknowledged
                try:
                    while number < 60000:
                        number += 1
                        assert "<ok/>" in session.rpc(edit(number))
                        attempted = number
                        assert "<ok/>" in session.rpc("<commit/>")
                        acknowledged = number
                except (Closed, TimeoutError):
                    pass
            agent.program.process.wait(10)
            agent.stop()
            agent.start()
            found = running(agent)
            assert found in ([acknowledged] * 2, [attempted] * 2) or (found == [] and acknowledged == 0), (
                f"seed {seed}: acknowledged {acknowledged}, attempted {attempted}, found {found}"
            )
            acknowledged = max(acknowledged, *found) if found else acknowledged
        assert acknowledged > 0
    finally:
        agent.stop()


def test_a_second_agent_on_the_same_data_is_refused(agent):
    done = agent.command("run", "--listen", "127.0.0.1:0", check=False)
    assert done.returncode != 0
    assert "another agentd" in done.stderr or "already" in done.stderr, done.stderr
    assert agent.program.process.poll() is None


def test_a_stop_ends_sessions_and_keeps_what_was_committed(agent):
    with RawSession(agent.ssh()) as session:
        session.rpc(edit(7))
        session.rpc("<commit/>")
        started = time.monotonic()
        assert agent.stop() == 0
        assert time.monotonic() - started < 10
        assert session.is_closed()
    agent.start()
    assert running(agent) == [7, 7]
