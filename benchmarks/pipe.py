"""The worker's side of `speed.py`: requests in, answers out, one line of JSON each."""

import json
import sys
import time
from collections.abc import Callable

from networks import NETWORKS


def repeated(epoch: Callable[[], float]) -> Callable[[int], float]:
    """Return a function that trains for some epochs, by one that trains for a single one."""

    def train(epochs: int) -> float:
        for _ in range(epochs):
            loss = epoch()
        return loss

    return train


def serve(versions: dict[str, str], open_trainings: Callable[..., dict], answers: dict[str, Callable]) -> None:
    """Answer `{"do": name, argument: value, ...}` until the input ends; a network comes by name.

    Args:
        versions: the answer to "versions".
        open_trainings: called at "open"; returns functions by name that train for so many epochs and return the last
            one's mean loss, which "train" then calls and times.
        answers: functions for all else.
    """
    trainings = {}
    for line in sys.stdin:
        request = json.loads(line)
        do = request.pop("do")
        if "network" in request:
            request["network"] = NETWORKS[request["network"]]
        if do == "versions":
            answer = versions
        elif do == "open":
            trainings = open_trainings(**request)
            answer = list(trainings)
        elif do == "train":
            started = time.perf_counter()
            loss = float(trainings[request["name"]](request["epochs"]))
            answer = {"seconds": time.perf_counter() - started, "loss": loss}
        else:
            answer = answers[do](**request)
        print(json.dumps(answer), flush=True)
