#!/usr/bin/python3
"""Fence agent of the lab: asks the power switch outside of the node to cut or give power.

Options come as `name=value` lines on stdin, as Pacemaker sends them, or as `--name value` or `-o ACTION -n PLUG`.
"""
import socket
import sys

METADATA = """<?xml version="1.0"?>
<resource-agent name="fence_lab" shortdesc="Power switch of the Tidegate lab">
  <longdesc>Cuts and gives the power of the lab's machines.</longdesc>
  <vendor-url>https://localhost/</vendor-url>
  <parameters>
    <parameter name="action" required="1"><content type="string" default="reboot"/>
      <shortdesc lang="en">Fencing action</shortdesc></parameter>
    <parameter name="plug" required="0"><content type="string"/>
      <shortdesc lang="en">Machine to act on</shortdesc></parameter>
    <parameter name="port" required="0" deprecated="1"><content type="string"/>
      <shortdesc lang="en">Machine to act on</shortdesc></parameter>
    <parameter name="ip" required="0"><content type="string" default="10.77.0.2"/>
      <shortdesc lang="en">Address of the power switch</shortdesc></parameter>
    <parameter name="ipport" required="0"><content type="integer" default="7410"/>
      <shortdesc lang="en">TCP port of the power switch</shortdesc></parameter>
  </parameters>
  <actions>
    <action name="on" automatic="0"/><action name="off"/><action name="reboot"/><action name="status"/>
    <action name="list"/><action name="monitor"/><action name="metadata"/><action name="validate-all"/>
  </actions>
</resource-agent>"""


def options():
    found = {"action": "reboot", "ip": "10.77.0.2", "ipport": "7410", "plug": ""}
    short = {"-o": "action", "-n": "plug", "-a": "ip", "-u": "ipport"}
    arguments = sys.argv[1:]
    if arguments:
        for name, value in zip(arguments[::2], arguments[1::2]):
            found[short.get(name, name.lstrip("-"))] = value
    else:
        for line in sys.stdin:
            name, sign, value = line.strip().partition("=")
            if sign:
                found[name] = value
    found["plug"] = found["plug"] or found.get("port") or found.get("nodename", "")
    return found


def ask(option, line):
    with socket.create_connection((option["ip"], int(option["ipport"])), timeout=5) as line_out:
        line_out.settimeout(30)
        line_out.sendall(line.encode() + b"\n")
        with line_out.makefile() as answer:
            return answer.read().strip()


def main():
    option = options()
    action = option["action"]
    if action == "metadata":
        print(METADATA)
        return 0
    if action in ("monitor", "validate-all"):
        return 0 if ask(option, "ping") == "ok" else 1
    if action == "list":
        print(ask(option, "list"))
        return 0
    answer = ask(option, f"{action} {option['plug']}")
    if action in ("status", "get_status"):
        # The convention of fence agents: 0 is on, 2 is off.
        print(f"Status: {answer.upper()}")
        return {"on": 0, "off": 2}.get(answer, 1)
    if answer != "ok":
        print(answer, file=sys.stderr)
    return 0 if answer == "ok" else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        print(f"the power switch does not answer: {error}", file=sys.stderr)
        sys.exit(1)
