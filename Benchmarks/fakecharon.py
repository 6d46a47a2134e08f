# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
"""A charon that is simulated on a VICI socket: it has N established tunnels and does nothing.

    fakecharon.py SOCKET N

The tunnels are tunnel-ip1 to tunnel-ipN, each with one IKE SA and one pair of SAs, whose counters grow. It remembers what
connections and secrets it was given, and counts commands, which its own command fake-commands tells. It prints how long each
listing took to be written.
"""

import collections
import socket
import struct
import sys
import threading
import time

REQUEST, RESPONSE, UNKNOWN, REGISTER, UNREGISTER, CONFIRMED, EVENT_UNKNOWN, EVENT = range(8)


def name(text):
    data = text.encode()
    return bytes([len(data)]) + data


def encode(message):
    out = b""
    for key, value in message.items():
        if isinstance(value, dict):
            out += b"\x01" + name(key) + encode(value) + b"\x02"
        elif isinstance(value, list):
            items = b"".join(b"\x05" + struct.pack(">H", len(item)) + item.encode() for item in value)
            out += b"\x04" + name(key) + items + b"\x06"
        else:
            data = str(value).encode()
            out += b"\x03" + name(key) + struct.pack(">H", len(data)) + data
    return out


def packet(kind, body=b""):
    return struct.pack(">IB", len(body) + 1, kind) + body


def listing(number, age):
    child = {
        "name": f"tunnel-ip{number}.0123456789abcdef", "uniqueid": number, "reqid": number, "state": "INSTALLED",
        "mode": "TUNNEL", "protocol": "ESP", "spi-in": f"{number:08x}", "spi-out": f"{number + 65536:08x}",
        "encr-alg": "AES_CBC", "encr-keysize": 256, "integ-alg": "HMAC_SHA2_256_128", "bytes-in": 84 * age,
        "packets-in": age, "use-in": 0, "bytes-out": 84 * age, "packets-out": age, "use-out": 0, "rekey-time": 3248,
        "life-time": 3958, "install-time": age, "if-id-in": f"{number:08x}", "if-id-out": f"{number:08x}",
        "local-ts": ["0.0.0.0/0"], "remote-ts": ["0.0.0.0/0"],
    }  # fmt: skip
    far = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    sa = {
        "uniqueid": number, "version": 2, "state": "ESTABLISHED", "local-host": "192.0.2.1", "local-port": 4500,
        "local-id": "192.0.2.1", "remote-host": far, "remote-port": 4500, "remote-id": far, "initiator": "yes",
        "initiator-spi": f"{number:016x}", "responder-spi": f"{number + 1:016x}", "encr-alg": "AES_CBC",
        "encr-keysize": 256, "integ-alg": "HMAC_SHA2_256_128", "prf-alg": "PRF_HMAC_SHA2_256", "dh-group": "ECP_384",
        "ppk": "yes", "established": age, "rekey-time": 14219, "child-sas": {f"c-{number}": child},
    }  # fmt: skip
    return {f"agentd:tunnel-ip{number}:1": sa}


COUNTERS = {"ike-rekey-init": 1, "ike-rekey-resp": 0, "child-rekey": 1, "invalid": 0, "invalid-spi": 0}
for exchange in ("ike-init", "ike-auth", "create-child", "info"):
    for way in ("in-req", "in-resp", "out-req", "out-resp"):
        COUNTERS[f"{exchange}-{way}"] = 7


class Loaded:
    """What it was given: connections with the names of their children, secrets; and how often it was asked for what."""

    def __init__(self):
        self.connections, self.secrets, self.commands = {}, {}, collections.Counter()

    def take(self, command, message):
        self.commands[command] += 1
        if command == "load-conn":
            for connection, settings in message.items():
                self.connections[connection] = list(settings["children"])
        elif command == "unload-conn":
            self.connections.pop(message["name"], None)
        elif command == "load-shared":
            self.secrets[message["id"]] = True
        elif command == "unload-shared":
            self.secrets.pop(message["id"], None)


def decode(data):
    """A message as dictionaries, lists and bytes as texts."""
    place = 0
    root = {}
    stack, items = [root], []

    def text(size):
        nonlocal place
        length = int.from_bytes(data[place : place + size], "big")
        place += size + length
        return data[place - length : place].decode(errors="replace")

    while place < len(data):
        kind = data[place]
        place += 1
        if kind == 1:
            stack.append(stack[-1].setdefault(text(1), {}))
        elif kind == 2:
            stack.pop()
        elif kind == 3:
            key = text(1)
            stack[-1][key] = text(2)
        elif kind == 4:
            items = stack[-1].setdefault(text(1), [])
        elif kind == 5:
            items.append(text(2))
    return root


def serve(connection, count, began, loaded):
    buffer = b""
    while True:
        while len(buffer) < 4 or len(buffer) < 4 + struct.unpack(">I", buffer[:4])[0]:
            data = connection.recv(65536)
            if not data:
                return
            buffer += data
        length = struct.unpack(">I", buffer[:4])[0]
        kind, body, buffer = buffer[4], buffer[5 : 4 + length], buffer[4 + length :]
        if kind in (REGISTER, UNREGISTER):
            connection.sendall(packet(CONFIRMED))
            continue
        command = body[1 : 1 + body[0]].decode()
        loaded.take(command, decode(body[1 + body[0] :]))
        answer = {"success": "yes"}
        if command == "version":
            answer = {"daemon": "charon-systemd", "version": "5.9.8"}
        elif command == "stats":
            answer = {"ikesas": {"total": count, "half-open": 0}, "plugins": ["vici", "counters"]}
        elif command == "get-counters":
            answer = {"counters": {"": COUNTERS}, "success": "yes"}
        elif command == "list-sas":
            age = int(time.time() - began) + 100
            stream = [packet(EVENT, name("list-sa") + encode(listing(number, age))) for number in range(1, count + 1)]
            start = time.perf_counter()
            connection.sendall(b"".join(stream))
            print(f"listed {count} in {(time.perf_counter() - start) * 1000:.1f} ms", flush=True)
            answer = {}
        elif command == "list-conns":
            connection.sendall(b"".join(
                packet(EVENT, name("list-conn") + encode({one: {"children": {child: {} for child in children}}}))
                for one, children in list(loaded.connections.items())))
            answer = {}
        elif command == "get-shared":
            answer = {"keys": list(loaded.secrets)}
        elif command == "get-keys":
            answer = {"keys": []}
        elif command == "fake-commands":
            answer = dict(loaded.commands)
        connection.sendall(packet(RESPONSE, encode(answer)))


def main():
    path, count = sys.argv[1], int(sys.argv[2])
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(8)
    loaded = Loaded()
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, count, time.time(), loaded), daemon=True).start()


if __name__ == "__main__":
    main()
