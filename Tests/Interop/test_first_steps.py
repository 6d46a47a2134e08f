# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Executes docs/first-steps.md as it stands, on other ports."""

import re
import shutil
import socket
import subprocess
import sys

from conftest import ROOT


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_first_steps():
    text = (ROOT / "docs" / "first-steps.md").read_text()
    for port in ("10001", "10002", "8830"):
        text = text.replace(port, free_port())
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 6
    script = ["set -eu", "trap 'kill $(cat .steps/*.pid 2>/dev/null) 2>/dev/null || true' EXIT"]
    for language, block in blocks:
        if "make build" in block:
            block = block.replace("make build\n", "")
        script.append(block if language == "sh" else f"{sys.executable} - <<'PYTHON'\n{block}\nPYTHON\n")
    try:
        done = subprocess.run(
            ["bash", "-c", "\n".join(script)], cwd=ROOT, capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert "state-connected" in done.stdout
        assert "Alice" in done.stdout
        assert '<profile-name>ProfileR1toR2</profile-name>' in done.stdout
        assert "kmesim-lab" not in done.stdout
    finally:
        shutil.rmtree(ROOT / ".steps", ignore_errors=True)
