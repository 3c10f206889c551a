#!/usr/bin/env python3
"""A small cloud balancer: TCP connections by weight, and an HTTP API that says who gets them.

It is what a managed balancer looks like from outside: no shell on it, no socket, only an API with a pool of targets. The
lab and the tests of `via = "exec"` run it; `config/exec/cloud-balancer.py` drives it.

    cloud.py --listen 0.0.0.0:80 --api 0.0.0.0:8000 --target node-01=10.0.0.1:8080=100 --target ...

    GET  /pool                            the pool: when it began, and its targets with their revisions and counters
    PUT  /pool/targets/NAME               {"state": "active"|"draining"|"disabled", "weight": n, "revision": n}
    POST /pool/targets/NAME/disconnect    ends what is connected

A change names the revision that it was based on; 412 where the target has changed since. Each change is a line on
standard output, with the time.
"""

import argparse
import asyncio
import datetime
import json
import uuid

STATES = ("active", "draining", "disabled")


class Target:
    def __init__(self, name, host, port, weight):
        self.name, self.host, self.port, self.weight = name, host, port, weight
        self.state, self.revision = "active", 1
        self.credit = 0
        self.requests, self.errors = 0, 0
        self.open = set()

    def shown(self):
        return {
            "address": f"{self.host}:{self.port}",
            "state": self.state,
            "weight": self.weight,
            "revision": self.revision,
            "connections": len(self.open),
            "requests": self.requests,
            "errors": self.errors,
        }


def say(words):
    print(datetime.datetime.now(datetime.timezone.utc).isoformat(), words, flush=True)


class Balancer:
    def __init__(self, targets):
        self.began = str(uuid.uuid4())
        self.targets = {target.name: target for target in targets}

    def choose(self):
        """Smooth weighted round robin: everybody earns their weight, the richest pays for all."""
        able = [t for t in self.targets.values() if t.state == "active" and t.weight > 0]
        if not able:
            return None
        for target in able:
            target.credit += target.weight
        chosen = max(able, key=lambda t: t.credit)
        chosen.credit -= sum(t.weight for t in able)
        return chosen

    async def forward(self, reader, writer):
        target = self.choose()
        if target is None:
            writer.close()
            return
        target.requests += 1
        target.open.add(writer)
        try:
            far_reader, far_writer = await asyncio.wait_for(asyncio.open_connection(target.host, target.port), 3)
        except (OSError, asyncio.TimeoutError):
            target.errors += 1
            target.open.discard(writer)
            writer.close()
            return
        try:
            await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
        finally:
            target.open.discard(writer)
            far_writer.close()
            writer.close()

    async def api(self, reader, writer):
        try:
            status, answer = await asyncio.wait_for(self.answer(reader), 5)
        except Exception as error:  # Whatever a request is: the balancer goes on.
            status, answer = "400 Bad Request", {"error": str(error)}
        body = json.dumps(answer).encode()
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        try:
            await writer.drain()
        except OSError:
            pass
        writer.close()

    async def answer(self, reader):
        method, path, _ = (await reader.readline()).decode().split()
        length = 0
        while (line := (await reader.readline()).decode().strip()) != "":
            name, _, value = line.partition(":")
            if name.lower() == "content-length":
                length = int(value)
        body = json.loads(await reader.readexactly(length)) if length else None
        if (method, path) == ("GET", "/pool"):
            return "200 OK", {"began": self.began, "targets": {n: t.shown() for n, t in self.targets.items()}}
        name, _, action = path.removeprefix("/pool/targets/").partition("/")
        target = self.targets.get(name)
        if target is None:
            return "404 Not Found", {"error": f"no target {name}"}
        if (method, action) == ("PUT", ""):
            return change(target, body)
        if (method, action) == ("POST", "disconnect"):
            for connection in list(target.open):
                connection.transport.abort()
            say(f"{name} disconnected")
            return "200 OK", target.shown()
        return "405 Method Not Allowed", {"error": f"{method} {path}"}


def change(target, wanted):
    state, weight = wanted["state"], wanted["weight"]
    if state not in STATES or type(weight) is not int or not 0 <= weight <= 1000:
        return "422 Unprocessable Entity", {"error": f"no such state: {wanted}"}
    if wanted["revision"] != target.revision:
        return "412 Precondition Failed", {"error": f"{target.name} is at revision {target.revision}"}
    target.state, target.weight = state, weight
    target.revision += 1
    say(f"{target.name} {state} {weight}")
    return "200 OK", target.shown()


async def pump(reader, writer):
    """Bytes one way, until the end; then the other side is told of it."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.transport.abort()


def target(text):
    name, address, weight = text.split("=")
    host, port = address.rsplit(":", 1)
    return Target(name, host, int(port), int(weight))


async def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listen", required=True)
    parser.add_argument("--api", required=True)
    parser.add_argument("--target", required=True, action="append", type=target)
    given = parser.parse_args()
    balancer = Balancer(given.target)
    servers = []
    for address, serve in ((given.listen, balancer.forward), (given.api, balancer.api)):
        host, port = address.rsplit(":", 1)
        servers.append(await asyncio.start_server(serve, host, int(port), backlog=512))
    say("listening")
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main())
