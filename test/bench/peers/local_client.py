"""Salt's LocalClient in a long-lived process: a line of JSON asks, a line of JSON answers."""

import json
import sys

import salt.client

client = salt.client.LocalClient(c_path=sys.argv[1])
for line in sys.stdin:
    question = json.loads(line)
    told = client.cmd(
        question["hosts"], "cmd.run", [question["script"]], tgt_type="list", timeout=60
    )
    print(json.dumps(told), flush=True)
