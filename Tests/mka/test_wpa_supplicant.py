# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""The MKA engine against a stock wpa_supplicant, in two network namespaces.

wpa_supplicant's calls to the kernel's MACsec are answered by secy_preload.c, so this runs on any kernel. Both ends log
the keys that they install; they must be the same. Needs root; Tests/mka/run builds what it needs and runs it.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = pathlib.Path(HERE).parents[1]
MKAPORT = str(pathlib.Path(os.environ.get("AGENTD_BUILD", ROOT / ".build" / "debug")) / "mkaport")
CAK = {128: "0123456789abcdef0123456789abcdef", 256: "0123456789abcdef" * 4}
OURS, THEIRS = "020000000a01", "020000000b01"


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def lines(path):
    """The JSON lines of a log, of which the last may still be being written."""
    result = []
    if os.path.exists(path):
        with open(path) as file:
            for line in file:
                try:
                    result.append(json.loads(line))
                except ValueError:
                    pass
    return result


MISSING = [tool for tool in ("wpa_supplicant", "gcc", "ip") if not shutil.which(tool)]
if os.geteuid() != 0:
    MISSING.append("root")


@unittest.skipIf(MISSING, f"MKA against wpa_supplicant needs {', '.join(MISSING)}")
class WPASupplicant(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="mka-")
        cls.library = os.path.join(cls.folder, "secy.so")
        run("gcc", "-shared", "-fPIC", "-O1", "-o", cls.library, os.path.join(HERE, "secy_preload.c"), "-ldl")

    @classmethod
    def tearDownClass(cls):
        if not os.environ.get("KEEP_LOGS"):
            shutil.rmtree(cls.folder)

    def setUp(self):
        self.processes = []
        self.names = [f"mka{os.getpid()}{side}" for side in "ab"]
        for name in self.names:
            run("ip", "netns", "add", name)
        run("ip", "link", "add", "va", "netns", self.names[0], "type", "veth", "peer", "vb", "netns", self.names[1])
        for name, link, address in zip(self.names, ("va", "vb"), (OURS, THEIRS)):
            mac = ":".join(address[i:i + 2] for i in range(0, 12, 2))
            run("ip", "-n", name, "link", "set", link, "address", mac)
            run("ip", "-n", name, "link", "set", link, "up")

    def tearDown(self):
        for process in self.processes:
            self.stop(process)
        for name in self.names:
            run("ip", "netns", "delete", name)

    def stop(self, process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start_ours(self, bits=128, ckn="6162630a", priority=16, cak=None, **more):
        path = os.path.join(self.folder, f"{self.id()}-ours-{len(self.processes)}")
        arguments = [f"{name}={value}" for name, value in more.items()]
        with open(path, "w") as log:
            self.processes.append(subprocess.Popen(
                ["ip", "netns", "exec", self.names[0], MKAPORT, "interface=va", f"address={OURS}", f"ckn={ckn}",
                 f"cak={cak or CAK[bits]}", f"priority={priority}", "seconds=120", *arguments], stdout=log))
        return path

    def start_theirs(self, bits=128, ckn="6162630a", priority=32):
        base = os.path.join(self.folder, f"{self.id()}-theirs-{len(self.processes)}")
        with open(base + ".conf", "w") as file:
            file.write("eapol_version=3\nap_scan=0\nfast_reauth=1\nnetwork={\nkey_mgmt=NONE\neapol_flags=0\n"
                       f"macsec_policy=1\nmka_cak={CAK[bits]}\nmka_ckn={ckn}\nmka_priority={priority}\n}}\n")
        environment = dict(os.environ, LD_PRELOAD=self.library, SECY_LOG=base + ".secy")
        self.processes.append(subprocess.Popen(
            ["ip", "netns", "exec", self.names[1], "wpa_supplicant", "-D", "macsec_linux", "-i", "vb", "-c",
             base + ".conf", "-dd", "-K", "-t", "-f", base + ".log"], env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return base + ".secy"

    def wait(self, condition, seconds=25, what=""):
        end = time.time() + seconds
        while time.time() < end:
            result = condition()
            if result:
                return result
            time.sleep(0.2)
        self.fail(f"{what} did not happen within {seconds} s")

    @staticmethod
    def keys(path, command):
        return [entry["key"] for entry in lines(path) if entry.get("command") == command and "key" in entry]

    def agreed(self, ours, theirs, count=1):
        """The keys that both ends transmit and receive with, in order, when there are so many and both use the last."""
        mine = [entry for entry in lines(ours) if "command" in entry]
        keys = [entry["key"] for entry in mine if entry["command"] == "add_txsa"]
        enabled = [entry for entry in mine if entry["command"] == "enable_txsa"]
        if len(keys) < count or len(enabled) < count or len(enabled) < len(keys):
            return None
        ok = (keys[-1] == (self.keys(ours, "add_rxsa") or [None])[-1]
              and keys[-1] == (self.keys(theirs, "add_txsa") or [None])[-1]
              and keys[-1] == (self.keys(theirs, "add_rxsa") or [None])[-1]
              and any(entry["command"] == "upd_txsa" and entry.get("active") == "1" for entry in lines(theirs)))
        return keys if ok else None

    def check(self, **settings):
        theirs_settings = {name: settings[name] for name in ("bits", "ckn") if name in settings}
        if "their_priority" in settings:
            theirs_settings["priority"] = settings.pop("their_priority")
        theirs = self.start_theirs(**theirs_settings)
        ours = self.start_ours(**settings)
        keys = self.wait(lambda: self.agreed(ours, theirs), what="agreement on a SAK")
        self.assertTrue(all(len(key) == 32 for key in keys))
        status = [entry["status"] for entry in lines(ours) if entry.get("command") == "port"]
        self.assertEqual(status[-1], "protected")
        return ours, theirs

    def test_we_lead(self):
        self.check(priority=16)

    def test_they_lead(self):
        self.check(priority=64)

    def test_256_bits_we_lead(self):
        self.check(bits=256, priority=16)

    def test_256_bits_they_lead(self):
        self.check(bits=256, priority=64)

    def test_short_and_long_names(self):
        for ckn in ("61", "616263", "ab" * 32):
            with self.subTest(ckn=ckn):
                self.check(ckn=ckn)
                for process in self.processes:
                    self.stop(process)

    def test_equal_priorities(self):
        self.check(priority=32)

    def test_older_versions(self):
        for version in (1, 2):
            with self.subTest(version=version):
                self.check(version=version)
                for process in self.processes:
                    self.stop(process)

    def test_we_rekey(self):
        ours, theirs = self.check(priority=16, rekey=8)
        keys = self.wait(lambda: self.agreed(ours, theirs, 3), 40, "the second rekey")
        self.assertEqual(len(set(keys)), len(keys))

    def test_they_restart(self):
        ours, theirs = self.check(priority=64)
        self.stop(self.processes[0])
        again = self.start_theirs()
        keys = self.wait(lambda: self.agreed(ours, again, 2), 30, "agreement with the restarted peer")
        self.assertNotEqual(keys[0], keys[-1])

    def test_we_restart(self):
        ours, theirs = self.check(priority=64)
        self.processes[1].kill()
        self.processes[1].wait()
        again = self.start_ours(priority=64)
        self.wait(lambda: self.agreed(again, theirs), 40, "agreement after our restart")

    def test_another_cak(self):
        self.start_theirs()
        ours = self.start_ours(cak="ff" * 16)
        self.wait(lambda: [e for e in lines(ours) if e.get("event") == "MKPDU_ICV_FAILURE"], what="an ICV failure")
        time.sleep(8)
        self.assertFalse([e for e in lines(ours) if e.get("command") == "add_txsa"])
