# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Generated edits of all kinds: the agent's replies and its running datastore are those of yang-gen's model."""

import os
import random
import shutil
import subprocess

import pytest

from conftest import BUILD, LONG, ROOT, YANG, Agent, Program

EDITS = 10_000 if LONG else 500
SEED = int(os.environ.get("AGENTD_SEED", random.getrandbits(32)))


def drive(agent, modules, *options, within=()):
    done = subprocess.run(
        [
            *within, str(BUILD / "yang-gen"), "-p", str(agent.yang), "--drive", "--port", str(agent.port), "--user", "admin",
            "--key", str(agent.key), "--any-host-key", "--exact", "--count", str(EDITS), "--seed", str(SEED), *options,
            *modules,
        ],
        capture_output=True, text=True, timeout=3600,
    )
    assert done.returncode == 0, f"seed {SEED}:\n{done.stderr[-6000:]}"
    print(done.stdout)
    return done.stdout


def test_modules_with_something_of_everything(tmp_path):
    """The model decides on everything: types, keys, order, choices, conditions, references, numbers of elements."""
    models = tmp_path / "yang"
    shutil.copytree(YANG, models)
    for file in (ROOT / "Tests" / "YANGGeneratorTests" / "yang").glob("*.yang"):
        shutil.copy(file, models)
    agent = Agent(tmp_path, yang=models, flags=["--take-unserved", "--charon", "none"]).start()
    try:
        said = drive(agent, ["harness", "harness-more"])
    finally:
        agent.stop()
    for error in ("data-exists", "data-missing", "invalid-value", "unknown-element"):
        assert error in said, f"seed {SEED}: the edits were to bring about {error} too"
    broken_musts = ("must-violation", "reserve-too-small", "quota-exceeded", "limits-crossed")
    assert any(tag in said for tag in broken_musts), f"seed {SEED}: no edit broke a must"


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace of its own takes root")
def test_key_profiles(tmp_path):
    """What the agent carries out: it may refuse more than the modules do. Nothing leaves the namespace."""
    agent = Agent(tmp_path)
    agent.program = Program(
        [
            "unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", BUILD / "agentd", "run",
            "--data-directory", agent.data, "--yang", YANG, "--listen", "127.0.0.1:0", "--charon",
            "none",
        ],
        tmp_path / "agentd.log",
    )
    try:
        agent.port = agent.program.line()["netconf"][0]["port"]
        drive(
            agent, ["Cisco-IOS-XR-um-sks-server-cfg", "agentd-sks"], "--refusal-app-tag", "backend-refusal",
            within=["nsenter", "-t", str(agent.pid), "-n"],
        )
    finally:
        agent.stop()
