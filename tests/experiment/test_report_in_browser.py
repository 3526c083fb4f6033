"""The report in a real browser: no error, all pictures, tables that sort, points that tell what they are."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from simplug.experiment.report import write_report

WIDTHS = (390, 1440)
NAMES = {0: "<script>document.title = 'broken'</script>", 1: "</script><b>&\"'", 2: "a name " * 20}

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # the tests may run as the superuser, for whom Chromium has no sandbox
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find_programs() -> tuple[str, str]:
    """Return the paths of the browser and its driver; without them the tests are skipped, unless they are required."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if browser and driver:
        return browser, driver
    reason = "chromium and chromedriver are not both on the path (Debian: apt-get install chromium chromium-driver)"
    if os.environ.get("SIMPLUG_BROWSER") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    program, driver = find_programs()
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as opened:
        yield opened


def open_page(browser: webdriver.Chrome, page: Path, width: int, *, dark: bool = False) -> None:
    """Open a page at a width in CSS pixels; a narrow one as a telephone does."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.get(page.as_uri())
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def column(browser: webdriver.Chrome, number: int) -> list[str]:
    """Return the texts of a column of the table of classes, of the rows that are shown."""
    cells = f"document.querySelectorAll('#table-of-classes tbody td:nth-child({number})')"
    return browser.execute_script(
        f"return [...{cells}].filter(cell => cell.offsetHeight).map(cell => cell.textContent)"
    )


@pytest.fixture(scope="module")
def pages(tmp_path_factory, make_findings) -> dict[str, Path]:
    """The reports of four runs, one of them with names that would break a careless page."""
    runs = {
        "hostile": {"names": NAMES, "noise": 0.7, "unknown": 1},
        "vectors": {"images": False, "queries": 8},
        "all seen": {"unseen": 0, "queries": 8},
        "many classes": {"classes": 300, "unseen": 100, "queries": 3},
    }
    folder = tmp_path_factory.mktemp("reports")
    for name, options in runs.items():
        text = write_report(make_findings(**options), title="a <b>run</b>")
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in runs}


@pytest.fixture(scope="module")
def page(pages) -> Path:
    return pages["hostile"]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["hostile", "vectors", "all seen", "many classes"])
def test_it_opens_without_an_error_and_nothing_sticks_out(browser, pages, name, width):
    open_page(browser, pages[name], width)
    assert browser.title == "a <b>run</b>"
    inside, room = browser.execute_script(
        "const page = document.documentElement; return [page.scrollWidth, page.clientWidth]"
    )
    assert inside <= room
    assert browser.execute_script("return document.querySelectorAll('section h2').length") >= 9


def test_of_hundreds_of_classes_the_worst_are_shown_and_the_others_on_request(browser, pages):
    open_page(browser, pages["many classes"], 1440)
    assert len(column(browser, 1)) == 25
    button = browser.find_element(By.CSS_SELECTOR, "button.more")
    assert button.text == "Show all 300 classes"
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    assert len(browser.find_elements(By.CSS_SELECTOR, "#table-of-classes tbody tr")) == 300
    rows = "document.querySelectorAll('#table-of-classes tbody tr')"
    assert browser.execute_script(f"return [...{rows}].every(row => row.offsetHeight > 0)")


@pytest.mark.parametrize("dark", [False, True])
def test_every_picture_loads_and_every_chart_has_a_size(browser, page, dark):
    open_page(browser, page, 1440, dark=dark)
    widths = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert len(widths) > 40
    assert min(widths) > 0
    charts = browser.execute_script(
        "return [...document.querySelectorAll('.drawing svg')].map(drawing => drawing.getBBox().width)"
    )
    assert len(charts) == 5
    assert min(charts) > 100
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", background)[:3]))
    assert brightness < 150 if dark else brightness > 700


def test_names_are_text_wherever_they_stand(browser, page):
    open_page(browser, page, 1440)
    assert browser.title == "a <b>run</b>"
    assert NAMES[0] in column(browser, 1)
    assert NAMES[1] in column(browser, 1)
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 2


def test_the_page_asks_nobody_for_anything(browser, page):
    open_page(browser, page, 1440)
    assert browser.execute_script("return performance.getEntriesByType('resource').map(one => one.name)") == []
    text = page.read_text(encoding="utf-8")
    assert "http://" not in text
    assert "https://" not in text


@pytest.mark.parametrize("width", WIDTHS)
def test_the_table_of_classes_sorts_by_the_heading_that_is_pressed(browser, page, width):
    open_page(browser, page, width)
    accuracy = [float(value) for value in column(browser, 4)]
    assert accuracy == sorted(accuracy), "worst first"
    headings = browser.find_elements(By.CSS_SELECTOR, "#table-of-classes th")
    assert headings[3].get_attribute("aria-sort") == "ascending"
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", headings[3])
    headings[3].find_element(By.TAG_NAME, "button").click()
    assert [float(value) for value in column(browser, 4)] == sorted(accuracy, reverse=True)
    assert headings[3].get_attribute("aria-sort") == "descending"
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", headings[0])
    headings[0].find_element(By.TAG_NAME, "button").click()
    names = column(browser, 1)
    assert [name for name in names if name.startswith("class")] == ["class 3", "class 4", "class 5"]
    assert headings[3].get_attribute("aria-sort") is None


@pytest.mark.parametrize("width", WIDTHS)
def test_a_point_tells_its_label_its_match_its_distance_and_shows_its_picture(browser, page, width):
    open_page(browser, page, width)
    tip = browser.find_element(By.CSS_SELECTOR, ".tip")
    assert not tip.is_displayed()
    mark = browser.find_elements(By.CSS_SELECTOR, ".marks use")[70]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", mark)
    if width < 600:
        point = browser.execute_script(
            "const box = arguments[0].getBoundingClientRect();"
            "return {x: box.x + box.width / 2, y: box.y + box.height / 2}",
            mark,
        )
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    else:
        ActionChains(browser).move_to_element(mark).perform()
    assert tip.is_displayed()
    lines = tip.text.splitlines()
    assert lines[0].startswith("label: ")
    assert re.fullmatch(r"[✓✗] matched: .+", lines[1])
    assert re.fullmatch(r"distance: \d\.\d{3}", lines[2])
    picture = tip.find_element(By.TAG_NAME, "i")
    assert picture.value_of_css_property("background-image").startswith('url("data:image/')
    left, right = browser.execute_script(
        "const box = arguments[0].getBoundingClientRect(); return [box.left, box.right]", tip
    )
    assert left >= 0
    assert right <= width


def test_mistakes_can_be_looked_at_alone(browser, page, make_findings):
    open_page(browser, page, 1440)
    box = browser.find_element(By.CSS_SELECTOR, ".mistakes")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", box)
    box.click()
    shown = browser.execute_script(
        "return [...document.querySelectorAll('.marks use')]"
        ".filter(mark => getComputedStyle(mark).display !== 'none').length"
    )
    findings = make_findings(names=NAMES, noise=0.7, unknown=1)
    assert shown == (~findings.right).sum() > 0
