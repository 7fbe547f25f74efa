"""Pages of recordings in headless Chromium, used as a person would; `tox -e web` runs this.

AMQP_REACTOR_SCREENSHOTS names a folder for a picture of each step, to be looked at.
"""

from __future__ import annotations

import os

import pytest

from reactor.tracing.recording import Recording
from tests.look.test_page import busy, everywhere
from tests.support.recordings import recorded, stormy

if os.environ.get("AMQP_REACTOR_BROWSER") != "required":
    pytest.skip("AMQP_REACTOR_BROWSER is not set, as it is by tox -e web", allow_module_level=True)

#: Texts of the diagram that can be seen and lie over each other, and those that leave the picture.
OVERLAPS = """
const area = document.querySelector("#stage svg").getBoundingClientRect(), found = [], boxes = [];
for (const text of document.querySelectorAll("#stage svg text")) {
  const row = text.closest(".r");
  if (row && !row.shown || text.closest(".dot")) continue;
  const box = text.getBoundingClientRect();
  if (box.left < area.left - 1 || box.right > area.right + 1) found.push("outside: " + text.textContent);
  for (const [other, seen] of boxes)
    if (box.left < seen.right - 1 && seen.left < box.right - 1 &&
        box.top < seen.bottom - 5 && seen.top < box.bottom - 5)
      found.push(text.textContent + " / " + other);
  boxes.push([text.textContent, box]);
}
return found;
"""


@pytest.fixture
def opened(page, tmp_path):
    """A function that opens the page of a recording; nothing else is loaded by it."""

    def open_it(recording):
        file = tmp_path / "run.html"
        file.write_text(recording.html(), encoding="utf-8")
        page.open(file.as_uri())
        assert page.run("return document.body.dataset.ready") == "yes"
        return page

    yield open_it
    assert page.run("return performance.getEntriesByType('resource').map(e => e.name)") == []


def row(page, text):
    """Click the first row that can be seen and has this title."""
    found = page.run(
        """const row = [...document.querySelectorAll("#stage .r")].find(r => r.shown &&
             (r.querySelector(".w") || {}).textContent.replace(/\\s+/g, " ") === arguments[0]);
           if (row) row.id = "wanted"; return Boolean(row)""", text)  # fmt: skip
    assert found, page.texts("#stage .r .w")
    page.click("#wanted .w")
    page.run("document.querySelector('#wanted').removeAttribute('id')")


def rows(page):
    return page.run("return [...document.querySelectorAll('#stage .r')].filter(r => r.shown).length")


def test_a_small_run(opened, picture):
    page = opened(recorded(3))
    picture("look-small")
    page.dark()
    picture("look-small-dark")
    assert page.text("h1") == "3 jobs"
    assert "6 deliveries (6 accepted)" in page.text("#facts")
    assert page.run(OVERLAPS) == []
    row(page, "#0 job 0")
    assert page.text("#detail h3") == "transfer [2.7.5]"
    assert "delivery-number (sequence-no) [2.8.8]" in page.text("#detail")
    assert "job 0" in page.text("#detail pre")
    picture("look-frame-dark")
    page.dark(False)
    picture("look-frame")
    page.click("#close")
    assert page.run("return document.querySelector('#panel').hidden")


def test_the_coming_up_of_a_connection_unfolds_and_folds(opened, picture):
    page = opened(recorded(3))
    before = rows(page)
    page.click("#stage .tri")
    assert rows(page) == before + 11
    assert "sasl-mechanisms  ANONYMOUS" in page.run(
        "return [...document.querySelectorAll('#stage .r')].filter(r => r.shown).map(r => r.textContent).join('|')")
    picture("look-unfolded")
    assert page.run(OVERLAPS) == []
    page.click("#fold")
    assert rows(page) == before


def test_by_keyboard_alone(opened):
    page = opened(recorded(3))
    page.run("document.querySelector('#stage .r').focus()")
    before = rows(page)
    page.key("ArrowRight")
    assert rows(page) == before + 11
    page.key("ArrowDown")
    page.key("Enter")
    assert page.text("#detail h3") == "protocol header [2.2]"
    page.key("Escape")
    assert page.run("return document.querySelector('#panel').hidden")
    page.key("ArrowLeft")  # to the group that it is in
    page.key("ArrowLeft")
    assert rows(page) == before
    page.key("End")
    page.key("Enter")
    assert page.text("#detail h3") == "disposition [2.7.6]"


def test_one_link_is_looked_at(opened, picture):
    page = opened(recorded(3))
    page.click(".chip[data-link='1']")
    assert 0 < page.run("return document.querySelectorAll('#stage .dim').length") < rows(page) + 22
    picture("look-one-link")
    page.click(".chip[data-link='1']")
    assert page.run("return document.querySelectorAll('#stage .dim').length") == 0


def test_it_grows_for_a_room_full_of_people(opened):
    page = opened(recorded(3))
    before = page.run("return +document.querySelector('#stage svg').getAttribute('width')")
    page.click("#larger")
    assert page.run("return +document.querySelector('#stage svg').getAttribute('width')") > before


def test_the_curves_zoom(opened, picture):
    page = opened(busy(300))
    page.run("document.querySelector('#charts').scrollIntoView()")
    whole = page.texts("#axis i")
    page.click("#in")
    page.click("#in")
    near = page.texts("#axis i")
    assert near != whole
    picture("look-zoomed")
    page.run("document.querySelector('#charts').focus()")
    page.key("0")
    assert page.texts("#axis i") == whole
    left, top, width = page.run(
        "const b = document.querySelector('#charts svg').getBoundingClientRect(); return [b.left, b.top + 10, b.width]")
    page.mouse("mousePressed", left + width * 0.4, top)
    page.mouse("mouseMoved", left + width * 0.5, top)
    assert "" not in page.texts("#charts .strip output")
    page.mouse("mouseReleased", left + width * 0.5, top)
    assert len(page.texts("#axis i")) > 2 and page.texts("#axis i") != whole
    page.click("#whole")
    assert page.texts("#axis i") == whole


def test_the_table_sorts_and_filters(opened):
    page = opened(busy(2500))
    assert page.text("#where") == "1 to 100 of 2500"
    page.click("#heads th:nth-child(2) button")
    page.click("#heads th:nth-child(2) button")
    assert page.texts("#rows tr td:nth-child(2)")[:3] == ["2499", "2498", "2497"]
    assert page.run("return document.querySelector('th[aria-sort]').getAttribute('aria-sort')") == "descending"
    page.type("#filter", "released")
    assert page.text("#where") == "1 to 3 of 3"
    page.click("#rows tr")
    assert "delivery 2007" in page.text("#detail")


def test_a_large_run(opened, picture):
    page = opened(busy(6000))
    picture("look-large")
    page.dark()
    picture("look-large-dark")
    assert rows(page) < 40
    assert page.run(OVERLAPS) == []
    assert "6,000 deliveries" in page.text("#facts")
    page.click("#unfold")
    assert 200 < rows(page) <= 1000
    assert page.run(OVERLAPS) == []
    picture("look-large-unfolded")


def test_a_storm(opened, picture):
    page = opened(stormy())
    picture("look-storm")
    assert page.run(OVERLAPS) == []
    page.dark()
    page.run("document.querySelector('#time').scrollIntoView()")
    picture("look-storm-time-dark")
    page.run("document.querySelector('#deliveries').scrollIntoView()")
    picture("look-storm-table-dark")


@pytest.mark.parametrize("text", ["</script><script>document.title='gone'</script>", '"><img src=x onerror=alert(1)>'])
def test_texts_of_peers_do_nothing(opened, text):
    page = opened(everywhere(text))
    assert page.run("return document.title") == text
    assert page.run("return document.querySelectorAll('img').length") == 0
    assert text in page.text("#missing")
    page.click("#rows tr")
    assert text in page.text("#detail")


def test_on_paper(opened, tmp_path):
    page = opened(recorded(3))
    page.dark()
    assert page.pdf().startswith(b"%PDF-")


def test_in_a_notebook(page, tmp_path, picture):
    file = tmp_path / "notebook.html"
    file.write_text("<!DOCTYPE html><title>notebook</title>" + recorded(3)._repr_html_(), encoding="utf-8")
    page.open(file.as_uri())
    page.frame(0)
    try:
        page.wait_until("the page in it", lambda: page.run("return document.body && document.body.dataset.ready"))
        page.click("#stage .tri")
        assert page.text("h1") == "3 jobs"
    finally:
        page.frame(None)
    picture("look-notebook")


def test_nothing_recorded(opened):
    page = opened(Recording())
    assert "nothing was recorded" in page.text("#stage")
    assert page.text("#where") == "none"
