"""``bench transports``: MQTT over TCP and over WebSocket, by paho-mqtt and a mosquitto broker.

Needs the program ``mosquitto``, built with its WebSocket listener.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastws.measure.transports import CUT_OFF, PHASES, QUICK_WORKLOADS, TRANSPORTS, mosquitto_version, overhead, run
from fastws.measure.transports.broker import Broker
from fastws.measure.transports.cut_off import cut_off
from fastws.measure.transports.run import Ends, measure

if TYPE_CHECKING:
    from fastws.measure.transports import Transport

# More than a loaded machine needs; no test waits for it.
_PATIENCE = 120

_MQTT = [each for each in TRANSPORTS if each.broker]
_MQTT_CUT_OFF = [each for each in CUT_OFF if each.broker]


def test_a_broker_tells_its_version_and_why_it_does_not_start(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = mosquitto_version()
    assert version is not None
    assert version[0].isdigit()
    # One that ends at once, and has something to say.
    program = tmp_path_factory.mktemp("broker") / "mosquitto"
    program.write_text("#!/bin/sh\necho no room at the inn\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda *_, **__: str(program))
    with pytest.raises(RuntimeError, match="mosquitto did not start: no room at the inn"):
        Broker()


@pytest.mark.parametrize("transport", _MQTT, ids=lambda each: each.name)
def test_everything_arrives_once(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "QUIET", _PATIENCE)
    monkeypatch.setattr(run, "LAST", _PATIENCE)
    subscribers = 2
    assert transport.missing() == ""
    # The broker sends 4 KiB to a WebSocket ten times a second, if it has nothing else to do: 1 MiB takes half a minute.
    slow = ("stream",) if transport.both["transport"] == "websockets" else ()
    with Ends(transport) as ends:
        for workload in [each for each in QUICK_WORKLOADS if each.name not in slow]:
            result = measure(ends, workload, subscribers)
            assert (result.missing, result.failed, result.connections) == ("", False, subscribers)
            assert (result.lost, result.doubled, result.late, result.damaged) == (0, 0, 0, 0)
            assert result.delivered == result.published * (1 if workload.in_flight else subscribers) > 0
            assert result.helper is not None
            assert result.helper > 0
            if workload.rate is not None:
                computed = overhead(transport, workload)
                assert computed is not None
                assert result.down - result.opening_down - workload.size == pytest.approx(computed[0])
                # The last acknowledgement may still be on its way.
                assert computed[1] * 0.5 <= result.up - result.opening_up <= computed[1] * 1.001


def _expected(transport: Transport) -> dict[str, int]:
    """What a QoS promises: nothing where it is 0, nor where the session ends with the connection."""
    kept = transport.both["qos"] > 0 and transport.subscribing["persistent"]
    # QoS 2 hands a message out when it is released, which is after an acknowledgement.
    released = transport.both["qos"] < 2 or kept
    return {
        "before": 0,
        "unacknowledged": 0 if released else PHASES["unacknowledged"],
        "away": 0 if kept else PHASES["away"],
        "after": 0,
    }


@pytest.mark.parametrize("transport", _MQTT_CUT_OFF, ids=lambda each: each.name)
def test_who_is_cut_off_and_comes_back(transport: Transport) -> None:
    told = cut_off(transport, grace=1 if transport.both["qos"] == 2 else _PATIENCE)
    assert (told.missing, told.published, told.lost) == ("", sum(PHASES.values()), _expected(transport))
    # At least once: what was not acknowledged comes again. Exactly once: it does not.
    if transport.both["qos"] == 1 and transport.subscribing["persistent"]:
        assert told.doubled >= PHASES["unacknowledged"]
    else:
        assert told.doubled == 0
