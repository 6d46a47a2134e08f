# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""A NETCONF client over `ssh -s` that can also send what no client should: the tests write its bytes themselves."""

import os
import re
import selectors
import subprocess
import time

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
END = b"]]>]]>"


def hello(*versions):
    capabilities = "".join(f"<capability>urn:ietf:params:netconf:base:{v}</capability>" for v in versions)
    return f'<hello xmlns="{BASE}"><capabilities>{capabilities}</capabilities></hello>'.encode()


class Closed(Exception):
    """The server ended the session."""


class RawSession:
    def __init__(self, command, versions=("1.0", "1.1"), send_hello=True):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.buffer = bytearray()
        self.chunked = False
        self.message_id = 0
        if send_hello:
            self.send(hello(*versions) + END)
            self.hello = self.read_message().decode()
            self.chunked = "1.1" in versions and ":base:1.1<" in self.hello

    def send(self, data):
        view = memoryview(data)
        try:
            while view:
                view = view[self.process.stdin.write(view):]
        except BrokenPipeError as error:
            raise Closed from error

    def frame(self, message):
        if not self.chunked:
            return message + END
        return b"\n#%d\n" % len(message) + message + b"\n##\n"

    def _more(self, deadline):
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(max(0, deadline - time.monotonic())):
                raise TimeoutError(f"no answer; so far {bytes(self.buffer[-500:])!r}")
        data = self.process.stdout.read(1 << 20)
        if not data:
            raise Closed(bytes(self.buffer[-500:]))
        self.buffer += data

    def read_message(self, limit=30):
        deadline = time.monotonic() + limit
        if not self.chunked:
            while (end := self.buffer.find(END)) < 0:
                self._more(deadline)
            message = bytes(self.buffer[:end])
            del self.buffer[: end + len(END)]
            return message
        message = bytearray()
        while True:
            while not (header := re.match(rb"\n#(?:([1-9][0-9]{0,9})|(#))\n", self.buffer)):
                assert len(self.buffer) < 14, f"not a chunk: {bytes(self.buffer[:40])!r}"
                self._more(deadline)
            size, is_end = header.group(1), header.group(2)
            del self.buffer[: header.end()]
            if is_end:
                return bytes(message)
            size = int(size)
            while len(self.buffer) < size:
                self._more(deadline)
            message += self.buffer[:size]
            del self.buffer[:size]

    def rpc(self, body, limit=30):
        """Sends one operation and returns the text of its reply."""
        self.message_id += 1
        message = f'<rpc xmlns="{BASE}" message-id="{self.message_id}">{body}</rpc>'
        self.send(self.frame(message.encode()))
        reply = self.read_message(limit).decode()
        assert f'message-id="{self.message_id}"' in reply, reply[:500]
        return reply

    def is_closed(self, limit=20):
        """True when the server ends the session within the limit."""
        deadline = time.monotonic() + limit
        try:
            while True:
                self._more(deadline)
        except Closed:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.terminate()
        self.process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
