"""A real browser against ``python -m fastws serve``, through its page; and messages that the page does not show."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    assert path is not None, "Chromium is not installed (Debian: apt-get install chromium)"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()


@contextmanager
def served(*arguments: str) -> Iterator[str]:
    """The command, for the time of a ``with`` block; yields the address of its page."""
    command = [sys.executable, "-m", "fastws", "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            found = re.search(r"open (http://\S+)", process.stdout.readline())
            assert found is not None
            yield found[1]
        finally:
            process.terminate()
            assert process.wait(30) == 0


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    opened.set_default_timeout(30_000)
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda message: faults.append(message.text))
    yield opened
    opened.close()
    assert faults == []


def state(page: Page, name: str) -> None:
    expect(page.locator("#state")).to_have_text(name, timeout=30_000)


def logged(page: Page, kind: str, text: str | re.Pattern[str]) -> None:
    expect(page.locator(f"#log li.{kind}").filter(has_text=text).first).to_be_visible(timeout=30_000)


def test_echo_through_the_page(page: Page) -> None:
    with served("--echo") as url:
        page.goto(url)
        state(page, "OPEN")
        expect(page.locator("#details")).to_contain_text("permessage-deflate")
        page.fill("#text", "héllo wörld")
        page.click("text=Send text")
        logged(page, "out", "héllo wörld")
        logged(page, "in", "héllo wörld")
        page.click("text=Chinese")
        logged(page, "in", "你好")
        page.click("text=Emoji")
        logged(page, "in", "😀🚀🌍🐍")
        page.click("text=Binary, 256 B")
        logged(page, "in", "256 B")
        page.click("text=Binary, 1 MiB")
        logged(page, "in", "1.0 MiB")
        page.click("text=1000 at once")
        expect(page.locator("#received")).to_have_text("1,005", timeout=30_000)
        expect(page.locator("#sent")).to_have_text("1,005")
        expect(page.locator("#rtt")).to_contain_text("ms")
        page.fill("#code", "4321")
        page.fill("#reason", "enough")
        page.click("#close")
        state(page, "CLOSED")
        expect(page.locator("#details")).to_have_text("4321")
        page.click("#connect")
        state(page, "OPEN")


def test_the_server_goes_away(page: Page) -> None:
    with served() as url:
        page.goto(url)
        state(page, "OPEN")
    state(page, "CLOSED")
    expect(page.locator("#details")).to_have_text("1001 the server stops")


def test_an_address_that_is_none(page: Page) -> None:
    with served() as url:
        page.goto(url)
        state(page, "OPEN")
        page.click("#close")
        state(page, "CLOSED")
        page.fill("#url", "ftp://x/")
        page.click("#connect")
        logged(page, "note", "SyntaxError")
        state(page, "CLOSED")


def test_push(page: Page) -> None:
    with served("--push", "--rate", "50", "--ping", "0.2") as url:
        page.goto(url)
        logged(page, "in", '"number": 1,')
        # The browser answers pings by itself; the server then knows how long that takes, and pushes it.
        logged(page, "in", re.compile(r'"latency": 0\.0\d*[1-9]'))
        page.fill("#text", "in the other direction")
        page.click("text=Send text")
        logged(page, "in", "in the other direction")


def test_without_compression(page: Page) -> None:
    with served("--no-compression") as url:
        page.goto(url)
        state(page, "OPEN")
        expect(page.locator("#details")).to_have_text("no compression")
        page.click("text=Binary, 1 MiB")
        logged(page, "in", "1.0 MiB")


_EXCHANGE = """
async ([url, sizes]) => {
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
    const wrong = [];
    const next = () => new Promise((resolve) => { socket.onmessage = (event) => resolve(event.data); });
    for (const character of ["x", "é", "中", "😀"]) {
        for (const size of sizes) {
            const sent = character.repeat(size), answer = next();
            socket.send(sent);
            if (await answer !== sent) wrong.push([character, size]);
        }
    }
    for (const size of sizes) {
        const sent = new Uint8Array(size).map((_, index) => index * 7), answer = next();
        socket.send(sent);
        const got = new Uint8Array(await answer);
        if (got.length !== size || got.some((byte, index) => byte !== sent[index])) wrong.push(["binary", size]);
    }
    const closed = new Promise((resolve) => { socket.onclose = resolve; });
    socket.close();
    const event = await closed;
    return { wrong, clean: event.wasClean, code: event.code, extensions: socket.extensions };
}
"""


@pytest.mark.parametrize("compression", [True, False])
def test_every_size_there_and_back(page: Page, compression: bool) -> None:
    with served(*[] if compression else ["--no-compression"]) as url:
        page.goto(url)
        sizes = [0, 1, 125, 126, 127, 65_535, 65_536, 300_000]
        told: dict[str, Any] = page.evaluate(_EXCHANGE, [url.replace("http", "ws", 1), sizes])
    assert told["wrong"] == []
    assert told["clean"]
    assert told["code"] == 1005
    assert ("permessage-deflate" in told["extensions"]) == compression
