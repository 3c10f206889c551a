#!/usr/bin/env python3
"""Drives the weights of an IPVS service (as keepalived sets one up), for `via = "exec"` (docs/exec-provider.md).

    [[entrypoint.route]]
    via = "exec"
    program = ["sudo", "-n", "/usr/local/lib/tidegate/ipvs.py", "--tcp", "10.0.0.100:80"]
    server = "{address}:8080"
    instances = ["lb-01", "lb-02"]

It runs on each director, over SSH. A real server of weight 0 gets no new connections and keeps those that it has. Where
the service is persistent, clients that it knows still come; "closed" takes the real server out of the table for that.

keepalived writes weights too: when a check of its fails or passes, and on a reload. It must not be told to set the
weight of a server that is out (`inhibit_on_failure` does); whatever it does shows in the next look.
"""

import argparse
import json
import subprocess
import sys

REFUSED = 10
LIMIT_SECONDS = 3
FORWARD = {"Route": "-g", "Tunnel": "-i", "Masq": "-m", "Local": "-g"}


def end(code, words):
    print(words, file=sys.stderr)
    sys.exit(code)


class Service:
    def __init__(self, program, address):
        self.program, self.address = program, address

    def run(self, *arguments):
        said = subprocess.run(
            [self.program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_SECONDS
        )
        if said.returncode != 0:
            raise OSError(f"ipvsadm {' '.join(arguments)}: {said.stderr.strip() or said.returncode}")
        return said.stdout

    def read(self):
        """Whether clients stick, and the real servers by their addresses."""
        persistent, servers = None, {}
        for line in self.run("-L", "-n", "-t", self.address).splitlines():
            words = line.split()
            if words[:2] == ["TCP", self.address]:
                persistent = "persistent" in words
            elif words[:1] == ["->"] and words[1] != "RemoteAddress:Port":
                _, address, forward, weight, active, inactive = words
                servers[address] = {"forward": forward, "weight": int(weight), "active": int(active)}
                int(inactive)
        if persistent is None:
            raise ValueError(f"ipvsadm shows no service {self.address}")
        return persistent, servers

    def write(self, verb, server, forward, weight):
        self.run(verb, "-t", self.address, "-r", server, FORWARD[forward], "-w", str(weight))

    def remove(self, server):
        self.run("-d", "-t", self.address, "-r", server)


def generation():
    """The table lives as long as the kernel does."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def member(server, persistent):
    if server is None:
        return {"admission": "out", "health": "unchecked", "weight": 0, "sessions": 0, "idle": 0, "exact": None}
    return {
        "admission": "serving" if server["weight"] > 0 else "draining",
        "health": "unchecked",
        "weight": server["weight"],
        "sessions": server["active"],
        "idle": 0,
        "admits_bound": persistent,
        "exact": {"forward": server["forward"], "weight": server["weight"]},
    }


def observe(service, request):
    persistent, servers = service.read()
    members = {asked["name"]: member(servers.get(asked["name"]), persistent) for asked in request["members"]}
    return {"version": 1, "generation": generation(), "members": members}


def apply(service, request):
    name, desired = request["member"], request["desired"]
    _, servers = service.read()
    now = servers.get(name)
    others = {other["forward"] for address, other in servers.items() if address != name}
    match desired:
        case {"want": "drained"}:
            wanted = now and {**now, "weight": 0}
        case {"want": "closed"}:
            wanted = None
        case {"want": "fresh-check"}:
            wanted = now
        case {"want": "serving", "weight": int(weight)} if weight > 0:
            # A server that was closed comes back by the way of the others, until the receipt says its own.
            forward = now["forward"] if now else others.pop() if len(others) == 1 else end(REFUSED, "which forwarding?")
            wanted = {"forward": forward, "weight": weight}
        case {"want": "exactly", "exact": {"forward": str(forward), "weight": int(weight)}} if forward in FORWARD:
            wanted = {"forward": forward, "weight": weight}
        case {"want": "exactly", "exact": None}:
            wanted = None
        case _:
            end(REFUSED, f"this cannot be done here: {json.dumps(desired)}")
    if wanted is None and now is not None:
        service.remove(name)
    elif wanted is not None and now is None:
        service.write("-a", name, wanted["forward"], wanted["weight"])
    elif wanted is not None and (wanted["forward"], wanted["weight"]) != (now["forward"], now["weight"]):
        service.write("-e", name, wanted["forward"], wanted["weight"])
    return {"version": 1, "done": True}


def close(service, request):
    _, servers = service.read()
    if servers.get(request["member"], {"active": 0})["active"] == 0:
        return {"version": 1, "done": True}
    end(REFUSED, "IPVS forwards packets and can cut nothing: cut the connections on the node")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tcp", required=True, help="the service's address and port, as ipvsadm -Ln shows it")
    parser.add_argument("--ipvsadm", default="/usr/sbin/ipvsadm")
    given = parser.parse_args()
    service, request = Service(given.ipvsadm, given.tcp), json.load(sys.stdin)
    if request["version"] != 1:
        end(REFUSED, f"version {request['version']} of the protocol is not known")
    print(json.dumps({"observe": observe, "apply": apply, "close": close}[request["call"]](service, request)))


if __name__ == "__main__":
    main()
