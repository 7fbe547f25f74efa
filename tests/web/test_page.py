"""The web page in headless Chromium, used as a person would; `tox -e web` runs this.

AMQP_REACTOR_SCREENSHOTS names a folder for a picture of each step, to be looked at.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from handlers import MessagingHandler
from handlers.broker import EmbeddedBroker
from handlers.broker.nodes.policy import Policy
from reactor import Container, Message

HOSTILE = ["<img src=x onerror=alert(1)>", "__proto__", "constructor", 'a"b\\c', "\u202egnp.exe", "x\ny", "é/ü"]
ASKED = os.environ.get("AMQP_REACTOR_BROWSER")

if ASKED != "required":
    pytest.skip("AMQP_REACTOR_BROWSER is not set, as it is by tox -e web", allow_module_level=True)


@pytest.fixture
def broker():
    queues = {**{name: Policy() for name in ("jobs", "jobs.dead", *HOSTILE)}, "jobs": Policy(dead_letter="jobs.dead")}
    with EmbeddedBroker(web=True, queues=queues, topics=["news"]) as broker:
        yield broker
        assert broker.overview().internal_errors == 0


def picture(page, name):
    """A screenshot, where they are asked for."""
    folder = os.environ.get("AMQP_REACTOR_SCREENSHOTS")
    if folder:
        page.screenshot(Path(folder) / f"{name}.png")


class Send(MessagingHandler):
    """Sends messages, and waits until they are accepted."""

    def __init__(self, url, address, bodies):
        super().__init__()
        self.url, self.address, self.bodies, self.left = url, address, bodies, len(bodies)

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=False)
        sender = event.container.create_sender(connection, self.address)
        for body in self.bodies:
            sender.send(Message(body, subject="<b>", properties={"__proto__": 1, "colour": "green"}))

    def on_accepted(self, event):
        self.left -= 1
        if not self.left:
            event.connection.close()


def send(broker, address, *bodies):
    Container(Send(broker.url, address, bodies)).run()


class Hold(MessagingHandler):
    """Takes messages and settles none."""

    def __init__(self, url, address, count):
        super().__init__(prefetch=count, auto_accept=False)
        self.url, self.address, self.left, self.held = url, address, count, threading.Event()

    def on_start(self, event):
        event.container.create_receiver(event.container.connect(self.url, reconnect=False), self.address)

    def on_message(self, event):
        self.left -= 1
        if not self.left:
            self.held.set()


@pytest.fixture
def holder(broker):
    """A consumer that holds three messages of `jobs`."""
    send(broker, "jobs", "a", "b", "c")
    handler = Hold(broker.url, "jobs", 3)
    container = Container(handler, container_id="<i>holder</i>")
    thread = threading.Thread(target=container.run)
    thread.start()
    assert handler.held.wait(30)
    yield
    container.stop()
    thread.join(30)


def cell(page, name, column):
    """The text of a column in the row of a queue."""
    return page.run(
        """const [name, column] = arguments;
        const heads = [...document.querySelectorAll("#heads th")].map(e => e.innerText.trim());
        for (const row of document.querySelectorAll("#rows tr"))
          if (row.data.name === name) return row.children[heads.indexOf(column)].innerText;
        return null""",
        name,
        column,
    )


def choose(page, name):
    """Click on the row of a queue."""
    page.wait_until(f"a row of {name!r}", lambda: cell(page, name, "Messages") is not None)
    place = page.run(
        "return [...document.querySelectorAll('#rows tr')].findIndex(row => row.data.name === arguments[0])", name
    )
    page.click(f"#rows tr:nth-child({place + 1})")
    page.wait_until("the queue in detail", lambda: page.run("return !document.querySelector('#facts').hidden"))


def test_the_queues_move_as_messages_come(page, broker):
    page.open(broker.web_url)
    page.wait("#state", "live")
    page.wait_until("a row of jobs", lambda: cell(page, "jobs", "Messages") == "0")
    send(broker, "jobs", *"abcde")
    page.wait_until("five messages", lambda: cell(page, "jobs", "Messages") == "5")
    assert page.text("#depth") == "5" and cell(page, "jobs", "Waiting") == "5"
    page.wait_until("a rate", lambda: cell(page, "jobs", "In/s") not in ("\u2013", None))
    picture(page, "list")


def test_names_of_any_kind_are_text(page, broker):
    for name in HOSTILE:
        send(broker, name, "<script>document.title = 'gone'</script>")
    page.open(broker.web_url)
    for name in HOSTILE:
        page.wait_until(f"a message in {name!r}", lambda name=name: cell(page, name, "Messages") == "1")
    choose(page, HOSTILE[0])
    page.click("#peek")
    page.wait("#messages", "document.title = 'gone'")
    assert page.text("#name") == HOSTILE[0] and "__proto__" in page.text("#messages")
    assert page.run("return document.title") == "amqp-broker"
    assert page.run("return document.querySelectorAll('img, i, #messages b + script').length") == 0
    assert "\\u202egnp.exe" in page.text("#rows") and "x\\u000ay" in page.text("#rows")
    picture(page, "names")


def test_messages_are_peeked_and_purged(page, broker):
    send(broker, "jobs", *[f"number {number}" for number in range(25)])
    page.open(broker.web_url)
    choose(page, "jobs")
    page.click("#peek")
    page.wait("#peeked", "1 \u2013 20")
    assert len(page.texts("#messages li")) == 20 and "number 19" in page.text("#messages")
    assert "colour" in page.text("#messages")
    page.click("#peek-on")
    page.wait("#peeked", "21 \u2013 25")
    assert "number 24" in page.text("#messages") and broker.queue("jobs").depth == 25
    picture(page, "peeked")
    page.click("#purge")
    assert "25 waiting messages" in page.text("#question")
    picture(page, "sure")
    page.click("#sure button[value=no]")
    assert broker.queue("jobs").depth == 25
    page.click("#purge")
    page.click("#sure-yes")
    page.wait("#peeked", "25 messages purged")
    page.wait_until("an empty queue", lambda: cell(page, "jobs", "Messages") == "0")
    assert broker.queue("jobs").depth == 0


def test_a_consumer_gives_back_what_it_holds(page, broker, holder):
    page.open(broker.web_url)
    choose(page, "jobs")
    page.wait("#consumer-rows", "<i>holder</i>")
    page.wait_until("three unsettled", lambda: page.text("#consumer-rows td:nth-child(4)") == "3")
    assert page.text("#consumers-title") == "Consumers (1)"
    picture(page, "consumers")
    page.click("#consumer-rows button")
    assert "3 unsettled messages" in page.text("#question")
    page.click("#sure-yes")
    page.wait("#peeked", "3 messages released")
    assert broker.queue("jobs").requeued >= 3


def test_connections_are_shown(page, broker, holder):
    page.open(broker.web_url)
    page.click("#tab-connections")
    page.wait("#connection-rows", "<i>holder</i>")
    assert page.texts("#connection-rows td")[-1] == "3"
    picture(page, "connections")


def test_dead_letters_are_marked(page, broker):
    send(broker, "jobs.dead", "x", "y")
    page.open(broker.web_url)
    page.wait("#dead", "2")
    assert "dead letters" in cell(page, "jobs.dead", "Name")
    assert page.run("return document.querySelector('#dead-tile').classList.contains('alert')")


def test_it_is_dark_where_the_system_is(page, broker):
    def brightness():
        """Of background and text, 0 to 255."""
        return page.run(
            """const style = getComputedStyle(document.body);
            const mean = (colour) => colour.match(/[0-9]+/g).slice(0, 3).reduce((a, b) => a + +b, 0) / 3;
            return [style.backgroundColor, style.color].map(mean)"""
        )

    page.open(broker.web_url)
    page.wait("#state", "live")
    light, text_on_light = brightness()
    page.dark()
    dark, text_on_dark = brightness()
    picture(page, "dark")
    assert light > 230 and text_on_light < 60 and dark < 40 and text_on_dark > 200


def test_of_ten_thousand_queues_a_page_is_shown_and_filtered(page):
    with EmbeddedBroker(web=True, queues=[f"device/{number:05d}" for number in range(10_000)]) as broker:
        page.open(broker.web_url)
        page.wait("#range", "1 \u2013 50 of 10,000")
        assert len(page.texts("#rows tr")) == 50
        page.click("#forth")
        page.wait("#range", "51 \u2013 100 of 10,000")
        send(broker, "device/07777", "x")
        page.type("#filter", "/0777")
        page.wait("#range", "1 \u2013 10 of 10")
        page.wait_until("a message", lambda: cell(page, "device/07777", "Messages") == "1")
        page.click("#heads th:nth-child(2) button")
        page.wait_until("the longest first", lambda: "07777" in page.text("#rows tr:first-child"))
        picture(page, "many")


def test_what_is_looked_at_is_in_the_address(page, broker):
    page.open(f"{broker.web_url}#text=jobs&node=jobs.dead")
    page.wait("#name", "jobs.dead")
    page.wait_until("two rows", lambda: len(page.texts("#rows tr")) == 2)
    page.click("#close")
    page.wait_until("no queue in detail", lambda: page.run("return document.querySelector('#detail').hidden"))


def test_the_end_of_the_broker_is_shown_and_its_return(page):
    with EmbeddedBroker(web=True) as broker:
        page.open(broker.web_url)
        page.wait("#state", "live")
        address = broker.web_url[len("http://") : -1]
    page.wait("#state", "trying again")
    with EmbeddedBroker(web=address, queues=["again"]):
        page.wait("#state", "live")
        page.wait("#rows", "again")
        choose(page, "again")
    page.log()  # connections that were refused


def test_users_log_in(page):
    with EmbeddedBroker(web=True, users={"alice": "secret"}, queues=["jobs"]) as broker:
        page.open(broker.web_url.replace("http://", "http://alice:secret@"))
        page.wait("#state", "live")
        choose(page, "jobs")
        page.click("#peek")
        page.wait("#peeked", "No messages")


def test_it_fits_a_narrow_window(page, broker):
    page.devtools("Emulation.setDeviceMetricsOverride", width=420, height=800, deviceScaleFactor=1, mobile=True)
    try:
        page.open(broker.web_url)
        choose(page, "jobs")
        picture(page, "narrow")
        assert page.run("return document.documentElement.scrollWidth <= innerWidth")
    finally:
        page.devtools("Emulation.clearDeviceMetricsOverride")
