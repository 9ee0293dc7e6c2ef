"""The order page in a browser that is installed here, and what a person does and sees there."""

import http
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

if TYPE_CHECKING:
    from tests.e2e.conftest import Service

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
APPLICATIONS = ("Google Chrome", "Chromium", "Microsoft Edge")
SETTLE_MS = 60_000


def find_browser() -> str:
    """Return the command of a browser that Playwright can drive."""
    on_macos = (Path(f"/Applications/{name}.app/Contents/MacOS/{name}") for name in APPLICATIONS)
    found = [*filter(None, map(shutil.which, COMMANDS)), *(str(path) for path in on_macos if path.exists())]
    if not found:
        pytest.fail(
            "The order page's tests need Chrome, Chromium or Edge: `apt-get install chromium`, or "
            "`brew install --cask google-chrome`.",
            pytrace=False,
        )
    return found[0]


class Window:
    """A window with the order page."""

    def __init__(self, browser: Browser, service: "Service") -> None:
        context = browser.new_context(viewport={"width": 1400, "height": 1000}, color_scheme="light")
        context.set_default_timeout(SETTLE_MS)
        self.page: Page = context.new_page()
        self.problems: list[str] = []  # errors of our scripts, and what the content security policy stopped
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda said: self.problems.append(said.text) if said.type == "error" else None)
        self.page.goto(service.page_url)
        self.sees("#connection", "Live")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def sees(self, selector: str, text: str | re.Pattern[str]) -> None:
        expect(self.page.locator(selector)).to_have_text(text, timeout=SETTLE_MS)

    def row(self, order_id: str) -> Locator:
        return self.page.locator(f'#list a[href="#/orders/{order_id}"]')

    def sees_row(self, order_id: str, text: str) -> None:
        """Search for an order, which newer ones may have moved out of sight, and wait for what its row shows."""
        self.page.get_by_label("Search").fill(order_id)
        expect(self.row(order_id)).to_contain_text(text, timeout=SETTLE_MS)

    def place(self, preset: str) -> str:
        """Press a preset that creates an order, again if the service was busy; returns the order's id."""
        while True:
            with self.page.expect_response("**/actions/order") as answered:
                self.press(preset)
            answer = answered.value.json()
            if answer["status"] != http.HTTPStatus.SERVICE_UNAVAILABLE:
                return str(answer["body"]["order_id"])
