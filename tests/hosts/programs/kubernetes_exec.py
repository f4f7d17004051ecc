"""Runs a command in a pod with the Kubernetes client, whose exec streams are channels over websocket-client."""

from __future__ import annotations

import sys

from kubernetes import client
from kubernetes.stream import stream

configuration = client.Configuration(host=sys.argv[1])
core = client.CoreV1Api(client.ApiClient(configuration))
running = stream(
    core.connect_get_namespaced_pod_exec,
    "pod",
    "default",
    command=["cat"],
    stdin=True,
    stdout=True,
    stderr=True,
    tty=False,
    _preload_content=False,
)
for line in ("hello", "héllo 你好 😀", "x" * 100_000, "last"):
    running.write_stdin(f"{line}\n")
    print(ascii(running.readline_stdout(timeout=60))[:200])
running.write_stdin("exit\n")
running.run_forever(timeout=60)
print(ascii(running.read_stderr()), running.returncode)
