"""A real Chromium without a head, and a real server for it; skipped, saying why, where something of it is missing.

Debian has both as `chromium` and `chromium-driver`. Nothing is installed and nothing is fetched: the path of the driver
is given, so that selenium does not look for one.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import uvicorn
from explorer_cubes import cubes

from wolap.asgi import asgi_app


def missing() -> str:
    """What is not there of all that these tests need."""
    programs = {
        "chromium (Debian package chromium)": which("chromium"),
        "chromedriver (Debian package chromium-driver)": which("chromedriver"),
        "selenium (from PyPI)": find_spec("selenium"),
        "axe-core-python (from PyPI)": find_spec("axe_core_python"),
    }
    return ", ".join(name for name, found in programs.items() if found is None)


@pytest.fixture(scope="session", autouse=True)
def _needs_a_browser() -> None:
    if lacking := missing():
        pytest.skip(f"no browser to test in; missing: {lacking}")


@pytest.fixture(scope="session")
def origin(_needs_a_browser: None) -> Iterator[str]:
    """Where the cubes are served."""
    server = uvicorn.Server(uvicorn.Config(asgi_app(*cubes()), log_level="critical", ws="none"))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@contextmanager
def chromium(profile: Path, *, scripts: bool) -> Iterator[Any]:
    """A browser with a profile of its own, which keeps a log of what it asks of the network."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(which("chromium"))
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--no-first-run",
        "--hide-scrollbars",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    if not scripts:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(which("chromedriver"))))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="session")
def reader(origin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser in which no script runs: all that a page can do, it does so."""
    with chromium(tmp_path_factory.mktemp("reader"), scripts=False) as driver:
        yield driver


@pytest.fixture(scope="session")
def inspector(origin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser with scripts, for axe."""
    with chromium(tmp_path_factory.mktemp("inspector"), scripts=True) as driver:
        yield driver
