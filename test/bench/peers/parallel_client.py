"""The parallel-ssh library in a long-lived process with its connections kept: a line of JSON asks, lines of JSON answer."""

import json
import sys

from pssh.clients import ParallelSSHClient

settings = json.loads(sys.argv[1])
clients = {}


def client_of(hosts):
    """The connections of so many hosts, which are all the same address."""
    if hosts not in clients:
        clients[hosts] = ParallelSSHClient(
            [settings["host"]] * hosts,
            user=settings["user"],
            port=settings["port"],
            pkey=settings["key"],
            pool_size=hosts,
        )
    return clients[hosts]


def say(answer):
    print(json.dumps(answer), flush=True)


def run(question):
    """Runs to the end. The answer tells what each host printed; bytes only if `count` is asked for."""
    client = client_of(question["hosts"])
    outputs = client.run_command(question["script"])
    if question.get("live"):
        for line in outputs[0].stdout:
            say({"line": line})
        client.join(outputs)
        return {"line": None}
    if question.get("save"):
        with open(question["save"], "w", encoding="utf-8") as file:
            for line in outputs[0].stdout:
                file.write(line + "\n")
        client.join(outputs)
        return {}
    client.join(outputs)
    return {"said": ["\n".join(output.stdout) for output in outputs]}


for request in sys.stdin:
    say(run(json.loads(request)))
