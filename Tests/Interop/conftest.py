# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Fixtures: the agent and its KMEs as processes of their own, reached only through their real ports."""

import atexit
import contextlib
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import pytest
from modules import BASE, SKS, SKS_OPER  # noqa: F401 — tests take them from here

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("AGENTD_BUILD", ROOT / ".build" / "debug"))
YANG = ROOT / "yang"
LONG = os.environ.get("AGENTD_LONG") == "1"
START_LIMIT = 60


# Tests that wait long, the longest first. They begin first, spread over the workers, so that none is left for the end.
WAITING = (
    "test_a_session_that_came_up_without_its_ppk_gets_one",
    "test_keys_of_the_key_service_roll_over_without_loss",
    "test_a_session_outlives_its_kme_until_its_ppk_is_too_old",
    "test_keys_roll_over_without_loss",
    "test_a_session_that_lives_gets_fresh_ppks_without_interruption",
    "test_the_key_chain_takes_over_without_loss_where_the_policy_says_so",
    "test_dynamic_ppk_with_the_kme_down_and_back",
    "test_dynamic_ppk_from_a_slow_kme_and_with_a_key_that_gets_lost",
    "test_a_dynamic_ppk_that_is_not_required_is_done_without_when_the_kme_is_down",
    "test_a_killed_agent_goes_on_with_its_key",
    "test_a_killed_agent_comes_back_as_the_same_member",
    "test_a_far_end_that_vanishes_is_noticed_and_found_again",
)


def pytest_collection_modifyitems(config, items):
    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    place = {name: index for index, name in enumerate(WAITING)}
    waiting = sorted((it for it in items if it.originalname in place), key=lambda it: place[it.originalname])
    others = [it for it in items if it.originalname not in place]
    # Each worker is given a run of neighbours to begin with.
    share = -(-len(items) // workers)
    ordered = []
    for worker in range(workers):
        first = waiting[worker::workers]
        rest = max(0, share - len(first))
        ordered += first + others[:rest]
        others = others[rest:]
    items[:] = ordered + others


class Program:
    """A child process that says on standard output, as lines of JSON, when it is ready."""

    def __init__(self, arguments, log, **options):
        self.log = log
        self._log = open(log, "ab")
        self.process = subprocess.Popen(
            [str(a) for a in arguments], stdout=subprocess.PIPE, stderr=self._log, stdin=subprocess.DEVNULL, **options
        )
        self._lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def line(self, limit=START_LIMIT):
        try:
            line = self._lines.get(timeout=limit)
        except queue.Empty:
            line = None
        if line is None:
            raise AssertionError(f"{self.process.args} said nothing; its log:\n{self.text()[-3000:]}")
        return json.loads(line)

    def text(self):
        return pathlib.Path(self.log).read_text(errors="replace")

    def stop(self, with_signal=signal.SIGTERM, limit=20):
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
            try:
                self.process.wait(limit)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()
        return self.process.returncode


_prepared = {}


class Agent:
    """agentd with a data directory of its own, a user admin with a key, and a user oper with a password."""

    def __init__(self, directory, yang=YANG, flags=()):
        self.directory = pathlib.Path(directory)
        self.yang = yang
        self.flags = list(flags)
        self.data = self.directory / "data"
        self.key = self.directory / "id_ed25519"
        self.program = None
        self.port = None
        # Users are made once in a run; each agent gets a copy of what that left.
        known = _prepared.get(self.yang)
        if known is None:
            self._make_users()
            known = _prepared[self.yang] = pathlib.Path(tempfile.mkdtemp(prefix="agentd-tests-"))
            atexit.register(shutil.rmtree, known, ignore_errors=True)
            shutil.copytree(self.data, known / "data")
            for name in (self.key.name, f"{self.key.name}.pub"):
                shutil.copy2(self.directory / name, known)
        else:
            shutil.copytree(known / "data", self.data)
            for name in (self.key.name, f"{self.key.name}.pub"):
                shutil.copy2(known / name, self.directory)

    def _make_users(self):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "admin", "-f", str(self.key)], check=True
        )
        self.command("user", "add", "admin", "--authorized-key", f"{self.key}.pub")
        self.command("user", "add", "oper", "--password-stdin", stdin="sesame street\n")

    @property
    def folders(self):
        """The options for its folders; without models it finds those that are installed with it."""
        return ["--data-directory", str(self.data), *(["--yang", str(self.yang)] if self.yang else [])]

    def command(self, *arguments, stdin=None, check=True):
        done = subprocess.run(
            [str(BUILD / "agentd"), *map(str, arguments), *self.folders],
            input=stdin, capture_output=True, text=True, timeout=120,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"agentd {' '.join(map(str, arguments))}: {done.returncode}\n{done.stderr}")
        return done

    def start(self, *extra):
        self.program = Program(
            [
                BUILD / "agentd", "run", *self.folders, "--listen", "127.0.0.1:0", *self.flags, *extra,
            ],
            self.directory / "agentd.log",
        )
        ready = self.program.line()
        self.port = ready["netconf"][0]["port"]
        return self

    def stop(self, with_signal=signal.SIGTERM):
        code = self.program.stop(with_signal)
        return code

    @property
    def pid(self):
        return self.program.process.pid

    def ssh(self, *extra, user="admin"):
        return [
            "ssh", "-q", "-T", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-i", str(self.key), "-p", str(self.port), *extra,
            f"{user}@127.0.0.1", "-s", "netconf",
        ]

    @contextlib.contextmanager
    def manager(self, device="default", **options):
        from ncclient import manager

        arguments = dict(
            host="127.0.0.1", port=self.port, username="admin", key_filename=str(self.key), hostkey_verify=False,
            allow_agent=False, look_for_keys=False, device_params={"name": device}, timeout=60,
        )
        arguments.update(options)
        session = manager.connect(**arguments)
        try:
            yield session
        finally:
            if session.connected:
                session.close_session()


@pytest.fixture
def agent(tmp_path):
    it = Agent(tmp_path).start()
    yield it
    it.stop()


@pytest.fixture(scope="module")
def shared_agent(tmp_path_factory):
    """One agent for all tests of a module that leave its configuration as they found it."""
    it = Agent(tmp_path_factory.mktemp("agent")).start()
    yield it
    it.stop()


@pytest.fixture
def ends():
    """Two namespaces with a link between them (ipseclab.py)."""
    from ipseclab import Ends

    with Ends() as it:
        yield it


@pytest.fixture
def near(tmp_path, ends):
    """An agent with a charon of its own at the near end."""
    from ipseclab import agent_at

    with agent_at(tmp_path / "near", ends.near) as it:
        yield it


def eventually(check, limit=20, pause=0.05):
    """Calls check until it answers something true; the answer, or the last failure."""
    deadline = time.monotonic() + limit
    while True:
        try:
            answer = check()
            if answer:
                return answer
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, f"not so within {limit} s: {check}"
        time.sleep(pause)
