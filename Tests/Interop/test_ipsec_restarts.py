# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Agent and charon killed while packets go through: what goes on, and what comes back."""

import os
import signal
import time

import ipseclab
from conftest import eventually
from ipsecconfig import FAR, NEAR, commit, configuration, swanctl
from ipseclab import Traffic, far_charon, is_up, notifications

pytestmark = ipseclab.needed


def test_a_killed_agent_takes_no_tunnel_along_and_adopts_it(near, ends, tmp_path):
    with far_charon(tmp_path, ends, swanctl(FAR, NEAR)) as far:
        with near.manager() as session:
            commit(session, configuration(NEAR, FAR))
        is_up(ends, near, far)
        charon, spi = near.charon, far.sas().split("initiator-spi=")[1].split()[0]
        with Traffic(ends) as traffic:
            near.stop(signal.SIGKILL)
            time.sleep(0.5)
            near.start()
            eventually(lambda: near.program.text().count("charon adopted") == 1)
            # A second agent has to leave alone what it finds: what it would do, it does within that time.
            time.sleep(1)
            # Stopped in good order, too.
            near.stop()
            near.start()
            eventually(lambda: near.program.text().count("charon adopted") == 2)
            time.sleep(1)
        assert len(traffic.sent) > 100 and traffic.lost == []
        assert near.charon == charon
        assert spi in far.sas(), "the session is the same"


def test_a_killed_charon_comes_back_with_all_that_is_configured(near, ends, tmp_path):
    with far_charon(tmp_path, ends, swanctl(FAR, NEAR)) as far, near.manager() as session:
        commit(session, configuration(NEAR, FAR))
        is_up(ends, near, far)
        with notifications(near) as notification, Traffic(ends) as traffic:
            eventually(lambda: traffic.answered)
            os.kill(near.charon, signal.SIGKILL)
            began = time.monotonic()
            assert "charon" in notification("tunnel-down").findtext("{*}reason")
            notification("tunnel-up")
            assert time.monotonic() - began < 5
            answered = len(traffic.answered)
            eventually(lambda: len(traffic.answered) > answered + 10)
        assert traffic.lost, "the kill was noticed"
        assert traffic.lost[-1] - traffic.lost[0] < 5, "packets go through again"


def test_agent_and_charon_killed_at_once(near, ends, tmp_path):
    with far_charon(tmp_path, ends, swanctl(FAR, NEAR)) as far:
        with near.manager() as session:
            commit(session, configuration(NEAR, FAR))
        is_up(ends, near, far)
        os.kill(near.charon, signal.SIGKILL)
        near.stop(signal.SIGKILL)
        near.start()
        is_up(ends, near, far)
