"""The worker's side of `speed.py`: requests in, answers out, one line of JSON each."""

import json
import sys
import time
from collections.abc import Callable

from networks import NETWORKS


def serve(versions: dict[str, str], open_epochs: Callable[..., dict], answers: dict[str, Callable]) -> None:
    """Answer `{"do": name, argument: value, ...}` until the input ends; a network comes by name.

    Args:
        versions: the answer to "versions".
        open_epochs: called at "open"; returns functions by name that train for an epoch and return its mean loss, which
            "epoch" then calls and times.
        answers: functions for all else.
    """
    epochs = {}
    for line in sys.stdin:
        request = json.loads(line)
        do = request.pop("do")
        if "network" in request:
            request["network"] = NETWORKS[request["network"]]
        if do == "versions":
            answer = versions
        elif do == "open":
            epochs = open_epochs(**request)
            answer = list(epochs)
        elif do == "epoch":
            started = time.perf_counter()
            loss = float(epochs[request["name"]]())
            answer = {"seconds": time.perf_counter() - started, "loss": loss}
        else:
            answer = answers[do](**request)
        print(json.dumps(answer), flush=True)
