# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""What scripts/install lays down runs from there, and finds its own."""

import os
import shutil
import subprocess

import pytest

import conftest
from conftest import BUILD, ROOT, YANG, Agent


@pytest.fixture
def tree(tmp_path):
    """An installation of the programs under test, moved as packages are: DESTDIR is not where it was configured for."""
    done = subprocess.run(
        [ROOT / "scripts" / "install"], capture_output=True, text=True, timeout=300,
        env={**os.environ, "DESTDIR": str(tmp_path), "PREFIX": "/opt/agentd", "FROM": str(BUILD)},
    )
    assert done.returncode == 0, done.stderr
    return tmp_path / "opt" / "agentd"


def test_an_installed_agent_finds_its_models(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(conftest, "BUILD", tree / "bin")
    installed = sorted(path.relative_to(tree / "share/agentd/yang") for path in tree.glob("share/agentd/yang/**/*.yang"))
    assert installed == sorted(path.relative_to(YANG) for path in YANG.glob("**/*.yang"))
    (tmp_path / "agent").mkdir()
    agent = Agent(tmp_path / "agent", yang=None, flags=["--charon", "none"]).start()
    try:
        with agent.manager() as session:
            assert "oper" in session.get_config("running").data_xml
    finally:
        agent.stop()


def test_its_unit_is_one(tree, tmp_path):
    unit = tree / "lib/systemd/system/agentd.service"
    text = unit.read_text()
    assert "ExecStart=/opt/agentd/bin/agentd run\n" in text and "KillMode=process\n" in text and "@" not in text
    if shutil.which("systemd-analyze"):
        # It looks for the program where it will be.
        (tmp_path / "agentd.service").write_text(text.replace("/opt/agentd", str(tree)))
        said = subprocess.run(
            ["systemd-analyze", "verify", tmp_path / "agentd.service"], capture_output=True, text=True, timeout=60)
        assert "agentd.service" not in said.stderr, said.stderr
