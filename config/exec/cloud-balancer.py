#!/usr/bin/env python3
"""Drives a balancer that has an HTTP API with a pool of targets, for `via = "exec"` (docs/exec-provider.md).

    [[entrypoint.route]]
    via = "exec"
    program = ["/usr/local/lib/tidegate/cloud-balancer.py", "http://balancer.example.com:8000"]
    instances = ["local"]

A target is "active", "draining" or "disabled", has a weight, and a revision that every change must name. For another
balancer, `read`, `write` and `disconnect` are what has to be written anew; the rest is the protocol.
"""

import http.client
import json
import sys
import urllib.parse

REFUSED, UNREACHABLE = 10, 11
LIMIT_SECONDS = 3
MAX_ANSWER = 1 << 20
ADMISSION = {"active": "serving", "draining": "draining", "disabled": "out"}


def end(code, words):
    print(words, file=sys.stderr)
    sys.exit(code)


class Pool:
    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.connect = lambda: kind(parts.hostname, parts.port, timeout=LIMIT_SECONDS)

    def ask(self, method, path, body=None):
        connection = self.connect()
        try:
            connection.connect()
        except OSError as error:
            end(UNREACHABLE, f"{connection.host}:{connection.port}: {error}")
        # From here on it may have arrived: any other error is no "nothing changed", and ends with exit code 1.
        headers = {"content-type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read(MAX_ANSWER + 1)
        if len(text) > MAX_ANSWER:
            raise ValueError("an answer without end")
        # These say that nothing was changed.
        if answer.status in (404, 412, 422):
            end(REFUSED, json.loads(text)["error"])
        if answer.status != 200:
            raise ValueError(f"{method} {path}: {answer.status}")
        return json.loads(text)

    def read(self):
        return self.ask("GET", "/pool")

    def write(self, name, state, weight, revision):
        wanted = {"state": state, "weight": weight, "revision": revision}
        self.ask("PUT", f"/pool/targets/{urllib.parse.quote(name, safe='')}", wanted)

    def disconnect(self, name):
        self.ask("POST", f"/pool/targets/{urllib.parse.quote(name, safe='')}/disconnect")


def member(target):
    return {
        "admission": ADMISSION[target["state"]],
        "health": "unchecked",
        "weight": target["weight"],
        "sessions": target["connections"],
        "idle": 0,
        "requests_total": target["requests"],
        "errors_total": target["errors"],
        # Equal only where nothing differs, and enough to put it back. The revision is neither.
        "exact": {"state": target["state"], "weight": target["weight"]},
    }


def observe(pool, request):
    seen = pool.read()
    members = {}
    for asked in request["members"]:
        target = seen["targets"].get(asked["name"])
        # A node that the pool does not have gets no client from it, and cannot be put back by a guess.
        absent = {"admission": "out", "health": "unchecked", "weight": 0, "sessions": 0, "idle": 0, "exact": None}
        members[asked["name"]] = absent if target is None else member(target)
    return {"version": 1, "generation": seen["began"], "members": members}


def apply(pool, request):
    name, desired = request["member"], request["desired"]
    target = pool.read()["targets"].get(name)
    if target is None:
        end(REFUSED, f"the pool has no target {name}")
    now = (target["state"], target["weight"])
    wanted = state(now, desired)
    if wanted != now:
        pool.write(name, *wanted, target["revision"])
    return {"version": 1, "done": True}


def state(now, desired):
    """The state and weight that are wanted; the same as now where nothing has to be done."""
    match desired:
        case {"want": "drained"}:
            return ("draining", now[1]) if now[0] == "active" else now
        case {"want": "closed"}:
            return ("disabled", now[1])
        # It has no checks of its own whose result could be old.
        case {"want": "fresh-check"}:
            return now
        case {"want": "serving", "weight": weight}:
            return ("active", weight)
        case {"want": "exactly", "exact": {"state": str(was), "weight": int(weight)}} if was in ADMISSION:
            return (was, weight)
    end(REFUSED, f"this cannot be done here: {json.dumps(desired)}")


def close(pool, request):
    pool.disconnect(request["member"])
    return {"version": 1, "done": True}


def main():
    pool, request = Pool(sys.argv[1]), json.load(sys.stdin)
    if request["version"] != 1:
        end(REFUSED, f"version {request['version']} of the protocol is not known")
    print(json.dumps({"observe": observe, "apply": apply, "close": close}[request["call"]](pool, request)))


if __name__ == "__main__":
    main()
