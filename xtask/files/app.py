#!/usr/bin/python3
"""The lab's application: a web service whose faults can be switched on by hand.

It speaks just enough HTTP/1.1 (keep-alive, pipelining, request bodies by length) to stand behind a load
balancer, and it keeps a log from which a test proves what order things happened in. SIGTERM cuts every
connection at once: a node that is stopped before its connections are gone loses requests, visibly.

Paths
    /              200 with the node's name
    /ready         200, or 503 while the node says it is not ready
    /slow?ms=N     headers at once, then a body that trickles for N milliseconds
    /hold?s=N      nothing for N seconds, then 200
    /echo          the request's body
    /ws            a WebSocket that says back what it is told
Switches, files in /run/app, read on every request
    not-ready      /ready answers 503               fail     everything but /ready answers 500
    hang           connections are read, never answered
    ready-delay    (read at start) /ready answers 503 for that many seconds after a start
    stop-delay     (read at SIGTERM) seconds to linger, connections open, before the end
Log, /var/log/app/access.log
    START-TIME PATH STATUS END-TIME CLIENT     times are epoch seconds with microseconds; status 000: cut by a stop
    a WebSocket is one request, from its first to its last byte; 101: closed by both ends as it should be
    lines that begin with '#' tell of starts and stops
"""
import asyncio
import base64
import hashlib
import json
import os
import signal
import socket
import sys
import time

SWITCHES = "/run/app/"
NODE = socket.gethostname()
STARTED = time.time()
OPEN = set()
REASONS = {200: b"OK", 404: b"Not Found", 500: b"Internal Server Error", 503: b"Service Unavailable"}
LOG = os.open("/var/log/app/access.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


def switch(name):
    return os.path.exists(SWITCHES + name)


def number(name):
    try:
        with open(SWITCHES + name) as file:
            return float(file.read())
    except (OSError, ValueError):
        return 0.0


READY_AT = STARTED + number("ready-delay")


def note(text):
    os.write(LOG, f"# {time.time():.6f} {text}\n".encode())


class Connection(asyncio.Protocol):
    """One client connection; requests on it are answered one after the other."""

    def __init__(self):
        self.buffer = b""
        self.request = None  # (start, path) while an answer is owed
        self.websocket = False
        self.later = None

    def connection_made(self, transport):
        self.transport = transport
        self.peer = "%s:%s" % transport.get_extra_info("peername")[:2]
        OPEN.add(self)

    def connection_lost(self, _error):
        OPEN.discard(self)
        if self.later:
            self.later.cancel()
        if self.request:
            self.log(0, " client-gone")

    def data_received(self, data):
        self.buffer += data
        if self.websocket:
            self.frames()
        elif not self.request:
            self.next_request()

    def next_request(self):
        while not self.request:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.buffer[:end].split(b"\r\n")
            length, close, key = 0, False, None
            for line in head[1:]:
                name, _, value = line.partition(b":")
                name = name.lower()
                if name == b"content-length":
                    length = int(value)
                elif name == b"connection":
                    close = value.strip().lower() == b"close"
                elif name == b"sec-websocket-key":
                    key = value.strip()
            total = end + 4 + length
            if len(self.buffer) < total:
                return
            body, self.buffer = self.buffer[end + 4:total], self.buffer[total:]
            try:
                method, target, _ = head[0].decode("latin-1").split(" ", 2)
            except ValueError:
                self.transport.close()
                return
            self.close = close
            self.request = (time.time(), target)
            if key and target.partition("?")[0] == "/ws":
                return self.upgrade(key)
            self.answer(method, target, body)

    def answer(self, method, target, body):
        path, _, query = target.partition("?")
        if switch("hang"):
            return
        if path == "/ready":
            ready = time.time() >= READY_AT and not switch("not-ready")
            return self.reply(200 if ready else 503, b"ready\n" if ready else b"not ready\n", method)
        if switch("fail"):
            return self.reply(500, b"told to fail\n", method)
        if path == "/":
            text = json.dumps({"node": NODE, "pid": os.getpid(), "started": STARTED, "client": self.peer})
            return self.reply(200, text.encode() + b"\n", method, b"application/json")
        if path == "/echo":
            return self.reply(200, body, method)
        loop = asyncio.get_running_loop()
        try:
            if path == "/hold":
                seconds = float(query.removeprefix("s="))
                self.later = loop.call_later(seconds, self.reply_later, 200, b"held by %s\n" % NODE.encode())
                return None
            if path == "/slow":
                self.later = loop.create_task(self.trickle(float(query.removeprefix("ms=")) / 1000))
                return None
        except ValueError:
            pass
        return self.reply(404, b"no such path\n", method)

    def upgrade(self, key):
        self.websocket = True
        proof = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self.transport.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             b"Sec-WebSocket-Accept: %s\r\nX-Node: %s\r\n\r\n" % (proof, NODE.encode()))
        self.frames()

    def frames(self):
        while len(self.buffer) >= 6:
            kind, length, at = self.buffer[0] & 15, self.buffer[1] & 127, 2
            if length == 126:
                length, at = int.from_bytes(self.buffer[2:4], "big"), 4
            elif length == 127:
                return self.transport.abort()  # nobody here sends that much
            if len(self.buffer) < at + 4 + length:
                return
            mask, body = self.buffer[at:at + 4], self.buffer[at + 4:at + 4 + length]
            self.buffer = self.buffer[at + 4 + length:]
            body = bytes(byte ^ mask[n % 4] for n, byte in enumerate(body))
            # A ping gets its pong, a close its close, and anything else comes back.
            back = 10 if kind == 9 else kind
            size = bytes([length]) if length < 126 else b"\x7e" + length.to_bytes(2, "big")
            if kind == 8:
                self.log(101)
            if kind != 10:
                self.transport.write(bytes([128 | back]) + size + body)
            if kind == 8:
                return self.transport.close()

    def head(self, status, kind, rest):
        keep = b"Connection: close\r\n" if self.close else b""
        return (b"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nX-Node: %s\r\n%s%s\r\n\r\n"
                % (status, REASONS[status], kind, NODE.encode(), keep, rest))

    def reply(self, status, body, method="GET", kind=b"text/plain"):
        head = self.head(status, kind, b"Content-Length: %d" % len(body))
        self.finish(status, head if method == "HEAD" else head + body)

    def reply_later(self, status, body):
        self.later = None
        self.reply(status, body)
        self.next_request()

    async def trickle(self, seconds):
        self.transport.write(self.head(200, b"text/plain", b"Transfer-Encoding: chunked"))
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.transport.write(b"2\r\n.\n\r\n")
            await asyncio.sleep(min(left, 0.05))
        self.later = None
        self.finish(200, b"%x\r\nend %s\n\r\n0\r\n\r\n" % (len(NODE) + 5, NODE.encode()))
        self.next_request()

    def finish(self, status, last):
        # The log first: who has the answer in hand finds it there.
        self.log(status)
        self.transport.write(last)
        if self.close:
            self.transport.close()

    def log(self, status, extra=""):
        start, path = self.request
        self.request = None
        os.write(LOG, f"{start:.6f} {path} {status:03d} {time.time():.6f} {self.peer}{extra}\n".encode())


def stop():
    delay = number("stop-delay")
    note(f"stopping with {len(OPEN)} connections after {delay:g} s")
    asyncio.get_running_loop().call_later(delay, end) if delay else end()


def end():
    for connection in OPEN:
        if connection.request:
            connection.log(0)
    note("stopped")
    os._exit(0)  # no goodbye: the kernel closes (or resets) whatever is still open


async def main():
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop)
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    server = await loop.create_server(Connection, "0.0.0.0", port, backlog=1024, reuse_address=True)
    note(f"started pid {os.getpid()} port {port}")
    await server.serve_forever()


asyncio.run(main())
