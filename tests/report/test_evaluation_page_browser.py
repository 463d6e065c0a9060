"""The page of an evaluation in a real browser: what is drawn is what was measured, and everything can be reached."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.browser_window import Driver, resize, wait
from helpers.evaluation_builder import ALL, build_annotations, build_evaluation, build_result
from helpers.summary_builder import HOSTILE

from sspvs.evaluation.comparison import Evaluation
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.published import published_results
from sspvs.report.evaluation_page import write_evaluation_page

pytest.importorskip("selenium.webdriver", reason="needs selenium, of the extra dev")
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

NAMES = ("Air_Force_One", "Base jumping", "Cockpit_Landing", "Excavators river crossing")
TAUS = (0.3, -0.1, 0.2, 0.1)
Opener = Callable[..., Driver]


@pytest.fixture
def open_page(driver: Driver, tmp_path: Path) -> Opener:
    """Write a page of an evaluation and open it at a width."""

    def open_at(evaluation: Evaluation, width: int = 1200, *, kind: str = "summaries", **changes: Any) -> Driver:
        results = next(iter(next(iter(evaluation.methods.values())).values()))
        dataset = {v.key: build_annotations(v.key, v.name, kind=kind, **changes) for v in results.videos}
        rng = np.random.default_rng(0)
        predictions = {
            method: {key: Prediction.of(rng.standard_normal(len(a.picks)), a) for key, a in dataset.items()}
            for method in evaluation.methods
        }
        write_evaluation_page(tmp_path / "page.html", evaluation.table(published_results()), dataset, predictions)
        resize(driver, width)
        driver.get_log("browser")
        driver.get((tmp_path / "page.html").as_uri())
        wait(driver, "return document.documentElement.dataset.ready")
        return driver

    return open_at


def evaluation_of(methods: tuple[str, ...] = ("mine",), **changes: Any) -> Evaluation:
    evaluation = build_evaluation(methods, **{"names": NAMES, "protocols": ALL[:2], **changes})
    names = changes.get("names", NAMES)
    if len(names) == len(TAUS):
        for protocol, sign in zip(evaluation.protocols, (1, -1), strict=False):
            evaluation.methods[methods[0]][protocol] = build_result(  # type: ignore[index]
                methods[0], protocol, names=names, taus=[sign * tau for tau in TAUS]
            )
    return evaluation


def shown(driver: Driver) -> list[str]:
    return [item.text for item in driver.find_elements(By.CSS_SELECTOR, "#videos .video h3")]


def errors(driver: Driver) -> list[Any]:
    return [entry for entry in driver.get_log("browser") if entry["level"] != "INFO"]


def look_at(driver: Driver, video: int = 0) -> None:
    """Scroll to a video: it is drawn when it comes near the window."""
    driver.execute_script(f"document.getElementById('video-{video}').scrollIntoView()")
    wait(driver, f"return document.querySelector('#video-{video} .own-line')")


def press(driver: Driver, group: str, value: str) -> None:
    driver.find_element(By.CSS_SELECTOR, f"#{group} button[data-value='{value}']").click()


def test_the_page_is_quiet_and_draws_every_video(open_page: Opener) -> None:
    driver = open_page(evaluation_of(("mine", "other")))
    assert driver.find_element(By.TAG_NAME, "h1").text == "SumMe"
    assert shown(driver) == list(NAMES)
    for video in range(4):
        look_at(driver, video)
        assert len(driver.find_elements(By.CSS_SELECTOR, f"#video-{video} .own-line")) == 2
    assert len(driver.find_elements(By.CSS_SELECTOR, "#spread circle")) == 6 * 4
    assert errors(driver) == []


def test_a_dot_stands_where_its_value_is(open_page: Opener) -> None:
    driver = open_page(evaluation_of())
    xs = driver.execute_script(
        "return [...document.querySelectorAll('#spread g.m0 circle')].map((c) => Number(c.getAttribute('cx')))"
    )
    slopes = np.diff(xs) / np.diff(TAUS)
    np.testing.assert_allclose(slopes, slopes[0], rtol=0.01)
    assert slopes[0] > 0


def test_the_protocol_changes_the_table_the_dots_and_the_figures_of_each_video(open_page: Opener) -> None:
    driver = open_page(evaluation_of())
    per_user, frames = (driver.find_element(By.CSS_SELECTOR, f".block[data-measure='{name}']") for name in ALL[:2])
    f_score = driver.find_element(By.CSS_SELECTOR, ".block[data-measure='F1']")
    figure = "return document.querySelector('#video-0 .video-figures tbody td').textContent"
    look_at(driver)
    assert (per_user.is_displayed(), frames.is_displayed(), f_score.is_displayed()) == (True, False, True)
    assert driver.execute_script(figure) == ".3000"
    press(driver, "protocols", "per-user-frames")
    assert (per_user.is_displayed(), frames.is_displayed(), f_score.is_displayed()) == (False, True, True)
    assert driver.execute_script(figure) == "-.3000"
    assert errors(driver) == []


def test_videos_are_sorted_by_the_metric_and_found_by_name_or_key(open_page: Opener) -> None:
    driver = open_page(evaluation_of())
    sort = Select(driver.find_element(By.ID, "sort"))
    by_tau = [NAMES[index] for index in np.argsort(TAUS)]
    sort.select_by_visible_text("mine, lowest first")
    assert shown(driver) == by_tau
    sort.select_by_visible_text("mine, highest first")
    assert shown(driver) == by_tau[::-1]
    press(driver, "protocols", "per-user-frames")  # where the signs are turned
    assert shown(driver) == by_tau
    assert "by τ under per-user-frames" in driver.find_element(By.ID, "count").text
    sort.select_by_visible_text("name")
    assert shown(driver) == sorted(NAMES)
    find = driver.find_element(By.ID, "filter")
    find.send_keys("CROSSing")
    assert shown(driver) == ["Excavators river crossing"]
    assert driver.find_element(By.ID, "count").text == "1 of 4 videos"
    find.clear()
    find.send_keys("video_2")
    assert shown(driver) == ["Base jumping"]


def test_a_video_without_the_metric_comes_last_and_has_no_dot(open_page: Opener) -> None:
    evaluation = evaluation_of()
    evaluation.methods["mine"]["per-user"] = build_result(  # type: ignore[index]
        "mine", names=NAMES, taus=[np.nan, 0.1, 0.3, 0.2], undefined=20
    )
    driver = open_page(evaluation)
    assert len(driver.find_elements(By.CSS_SELECTOR, "#spread g.m0 circle")) == 3
    for order in ("mine, lowest first", "mine, highest first"):
        Select(driver.find_element(By.ID, "sort")).select_by_visible_text(order)
        assert shown(driver)[-1] == "Air_Force_One"
    assert "1 without" in driver.find_element(By.ID, "spread").text


def test_a_dot_names_its_video_and_leads_to_it(open_page: Opener) -> None:
    driver = open_page(evaluation_of())
    driver.find_element(By.ID, "filter").send_keys("Air")
    script = (
        "document.getElementById('spread-panel').scrollIntoView();"
        "const c = document.querySelectorAll('#spread g.m0 circle')[1].getBoundingClientRect();"
        "return [c.left + c.width / 2, c.top + c.height / 2]"
    )
    x, y = driver.execute_script(script)
    driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})
    wait(driver, "return document.getElementById('readout').textContent.includes('Base jumping')")
    assert "mine -.1000" in driver.find_element(By.ID, "readout").text
    assert driver.execute_script("return document.querySelectorAll('#spread .lit').length") == 5
    for kind in ("mousePressed", "mouseReleased"):
        event = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}
        driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)
    wait(driver, "return document.activeElement.id === 'video-1'")
    assert shown(driver) == list(NAMES)  # the filter that hid it is gone
    box = "const b = document.getElementById('video-1').getBoundingClientRect();"
    wait(driver, box + "return b.top < innerHeight && b.bottom > 0")


def test_the_summary_on_the_page_is_the_one_of_the_rule(open_page: Opener) -> None:
    driver = open_page(evaluation_of())
    look_at(driver)
    widths, told = driver.execute_script(
        "const v = document.querySelector('#video-0'); return ["
        "[...v.querySelectorAll('.taken')].map((r) => Number(r.getAttribute('width'))),"
        "v.querySelector('.strip-label span').textContent]"
    )
    said = 0.0 if told == "empty summary" else float(told.split()[1]) / 100
    assert sum(widths) == pytest.approx(said, abs=0.001)


@pytest.mark.parametrize("width", [375, 1200])
@pytest.mark.parametrize("kind", ["summaries", "ratings", "none"])
def test_nothing_is_wider_than_the_window(width: int, kind: str, open_page: Opener) -> None:
    long = "a_very_long_name_without_any_space_" * 5
    f_score = None if kind == "none" else 0.4
    evaluation = evaluation_of(
        (long, "other"),
        names=[long + str(index) for index in range(4)],
        protocols=ALL,
        dataset=long,
        warnings=(long,),
        settings={long: long},
        f_score=f_score,
    )
    driver = open_page(evaluation, width, kind=kind, title=long)
    look_at(driver)
    scroll, inner = driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert scroll <= inner == width
    over = driver.execute_script(
        "return [...document.querySelectorAll('main *')].filter((e) => !e.closest('.scroll') && "
        "!e.closest('option') && e.getBoundingClientRect().right > innerWidth + 0.5)"
        ".map((e) => e.tagName + '.' + e.getAttribute('class'))"
    )
    assert over == []
    assert errors(driver) == []


def test_text_of_the_user_is_never_run(open_page: Opener) -> None:
    evaluation = evaluation_of(
        (HOSTILE,), names=[f"{HOSTILE}{i}" for i in range(4)], dataset=HOSTILE, warnings=(HOSTILE,)
    )
    driver = open_page(evaluation, title=HOSTILE, category=HOSTILE)
    look_at(driver)
    # An alert would have made every command above fail; the policy would have logged a refusal.
    assert driver.find_element(By.TAG_NAME, "h1").text == HOSTILE
    assert shown(driver)[0] == f"{HOSTILE}0"
    assert driver.execute_script("return document.querySelectorAll('img, script').length") == 2
    assert errors(driver) == []


def test_one_video_and_one_protocol(open_page: Opener) -> None:
    driver = open_page(build_evaluation(names=["only"]))
    assert not driver.find_element(By.ID, "protocol-bar").is_displayed()
    assert driver.find_element(By.ID, "count").text == "1 video"
    assert "[" not in driver.find_element(By.CSS_SELECTOR, ".block").text  # an interval of one video says nothing
    assert errors(driver) == []


def test_nothing_could_be_computed(open_page: Opener) -> None:
    evaluation = build_evaluation(baselines=())
    empty = Evaluation("summe", ("per-user",), evaluation.methods, unavailable={"per-user": "needs the users' scores"})
    driver = open_page(empty)
    assert "needs the users' scores" in driver.find_element(By.ID, "apart").text
    assert not driver.find_element(By.ID, "spread-panel").is_displayed()
    assert errors(driver) == []


def test_many_videos_come_ten_at_a_time(open_page: Opener) -> None:
    names = [f"video number {index}" for index in range(23)]
    driver = open_page(evaluation_of(names=names))
    more = driver.find_element(By.ID, "more")
    assert shown(driver) == names[:10]
    assert more.text == "Show 10 more of 13"
    more.send_keys(Keys.ENTER)
    assert shown(driver) == names[:20]
    assert driver.switch_to.active_element.get_attribute("id") == "video-10"  # reading goes on where it stopped
    assert more.text == "Show 3 more of 3"
    more.send_keys(Keys.ENTER)
    assert shown(driver) == names
    assert not more.is_displayed()
    driver.find_element(By.ID, "filter").send_keys("number 1")
    assert shown(driver) == [names[1], *names[10:20]]


def test_the_keyboard_goes_from_dot_to_dot_and_opens_a_video(open_page: Opener) -> None:
    names = [f"video number {index}" for index in range(14)]
    evaluation = evaluation_of(names=names, baselines=())
    taus = np.linspace(-0.3, 0.3, 14)[::-1]
    evaluation.methods["mine"]["per-user"] = build_result("mine", names=names, taus=list(taus))  # type: ignore[index]
    driver = open_page(evaluation)
    spread = driver.find_element(By.ID, "spread")
    spread.send_keys(Keys.ARROW_LEFT)  # the last one, of the highest value
    assert names[0] in driver.find_element(By.ID, "readout").text
    spread.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert names[2] in driver.find_element(By.ID, "readout").text
    driver.execute_script("arguments[0].blur()", spread)
    spread.send_keys(Keys.ARROW_RIGHT)  # the first one, of the lowest value, which is not among the ten
    spread.send_keys(Keys.ENTER)
    wait(driver, "return document.activeElement.id === 'video-13'")


def test_printing_takes_a_few_pages_with_every_protocol_and_every_video(open_page: Opener) -> None:
    names = [f"video number {index}" for index in range(50)]
    methods = tuple(f"method {index}" for index in range(6))
    warnings = tuple(f"video_{index}: repaired" for index in range(50))
    driver = open_page(evaluation_of(methods, names=names, protocols=ALL, warnings=warnings))
    assert not driver.find_element(By.ID, "printed").is_displayed()
    document = base64.b64decode(driver.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", document)) in range(2, 8)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    blocks = driver.find_elements(By.CSS_SELECTOR, ".block")
    rows = driver.find_elements(By.CSS_SELECTOR, "#printed tbody tr")
    assert len(blocks) == 5
    assert all(element.is_displayed() for element in [*blocks, *rows])
    assert [row.find_element(By.TAG_NAME, "th").text for row in rows] == names
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    state = "return document.querySelector('#videos .video-figures tbody td').textContent"
    driver.execute_script("document.getElementById('video-0').scrollIntoView()")
    wait(driver, "return document.querySelector('#video-0 .video-figures')")
    printed = driver.execute_script("return document.querySelector('#printed tbody td').textContent")
    assert printed == driver.execute_script(state)


def test_a_dark_screen_has_light_text_on_dark(open_page: Opener) -> None:
    driver = open_page(evaluation_of())
    script = (
        "const s = getComputedStyle(document.body);"
        "return [s.color, s.backgroundColor].map((c) => Number(c.match(/\\d+/)[0]))"
    )
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    ink, paper = driver.execute_script(script)
    assert ink < 60 < 200 < paper
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    ink, paper = driver.execute_script(script)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert paper < 60 < 200 < ink
