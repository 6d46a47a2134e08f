# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""Network namespaces for tests: what runs in one has links and addresses of its own."""

import contextlib
import ctypes
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import threading

from conftest import BUILD, YANG, Agent, Program

IP = shutil.which("ip", path="/usr/sbin:/usr/bin:/sbin:/bin")
CAP_NET_ADMIN, CAP_SYS_ADMIN = 12, 21


def missing():
    """Why there can be no namespaces here; empty when there can."""
    if IP is None:
        return "there is no program ip (Debian: iproute2)"
    with open("/proc/self/status") as status:
        mask = int(next(line for line in status if line.startswith("CapEff:")).split()[1], 16)
    if not (mask >> CAP_NET_ADMIN & 1 and mask >> CAP_SYS_ADMIN & 1):
        return "network namespaces need CAP_NET_ADMIN and CAP_SYS_ADMIN"
    return ""


class Namespace:
    """A namespace with its loopback up; for `with`. No two have one name, in whichever process."""

    _numbers = itertools.count(1)

    def __init__(self, name):
        self.name = f"agentd-{os.getpid()}-{next(self._numbers)}-{name}"

    def __enter__(self):
        subprocess.run([IP, "netns", "add", self.name], check=True)
        self.ip("link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        subprocess.run([IP, "netns", "delete", self.name], check=False)

    def kill_all(self):
        """Ends whatever a failed test left running in it."""
        found = subprocess.run([IP, "netns", "pids", self.name], capture_output=True, text=True)
        for process in found.stdout.split():
            with contextlib.suppress(OSError):
                os.kill(int(process), signal.SIGKILL)

    def ip(self, *words, check=True):
        done = subprocess.run([IP, "-n", self.name, *map(str, words)], capture_output=True, text=True)
        if check and done.returncode != 0:
            raise AssertionError(f"ip {' '.join(map(str, words))}: {done.stderr}")
        return done.stdout

    def link(self, name):
        """A link as `ip` shows it, with its addresses; None when there is none."""
        text = self.ip("-j", "-d", "address", "show", "dev", name, check=False)
        found = [one for one in json.loads(text or "[]") if one.get("ifname") == name]
        return found[0] if found else None

    def addresses(self, name):
        """The addresses of a link, without the link-local ones that the kernel makes."""
        link = self.link(name)
        return [
            f"{one['local']}/{one['prefixlen']}" for one in (link or {}).get("addr_info", [])
            if one.get("scope") != "link" and "local" in one
        ]

    def launcher(self):
        """Words in front of a program that is to run here. They end in the program's own process."""
        return [IP, "netns", "exec", self.name]

    def within(self, call):
        """Calls on a thread in this namespace; what it answered."""
        result = {}

        def run():
            try:
                with open(f"/run/netns/{self.name}") as place:
                    if ctypes.CDLL(None, use_errno=True).setns(place.fileno(), 0x40000000) != 0:
                        raise OSError(ctypes.get_errno(), "setns")
                result["value"] = call()
            except BaseException as error:
                result["error"] = error

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if "error" in result:
            raise result["error"]
        return result["value"]


class NamespaceAgent(Agent):
    """An agent that runs in a namespace, and is reached there."""

    def __init__(self, directory, namespace, *options):
        super().__init__(directory)
        self.namespace = namespace
        self.options = options

    def start(self, *extra):
        self.program = Program(
            [
                *self.namespace.launcher(), BUILD / "agentd", "run", "--data-directory", self.data, "--yang", YANG,
                "--listen", "127.0.0.1:0", *self.options, *extra,
            ],
            self.directory / "agentd.log",
        )
        self.port = self.program.line()["netconf"][0]["port"]
        return self

    @contextlib.contextmanager
    def manager(self, device="default", **options):
        """A client on the outside, whose connection begins inside."""
        connection = self.namespace.within(lambda: socket.create_connection(("127.0.0.1", self.port), 10))
        with super().manager(device, sock=connection, **options) as session:
            yield session
