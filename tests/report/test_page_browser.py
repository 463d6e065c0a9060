"""The page in a real browser: it plays, the playhead follows, shots can be reached, and text stays text."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.browser_window import Driver, resize, wait
from helpers.summary_builder import COLOURS, HOSTILE, SummaryBuilder
from PIL import Image

from sspvs.report import write_report
from sspvs.report.film_page import write_film_page

pytest.importorskip("selenium.webdriver", reason="needs selenium, of the extra dev")
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

Opener = Callable[..., Driver]


@pytest.fixture
def open_page(
    driver: Driver, make_summary: SummaryBuilder, colour_videos: tuple[Path, Path], tmp_path: Path
) -> Iterator[Opener]:
    """Write a report, open it at a width, and wait until it knows whether the original is there."""
    original, summary_video = colour_videos

    def open_at(width: int = 1280, *, source: Path | None = original, preview: bool = True, **changes: Any) -> Driver:
        summary = replace(make_summary(), **changes)
        path = tmp_path / "report.html"
        if source == original:  # which is found beside the page
            source = tmp_path / original.name
            source.unlink(missing_ok=True)
            source.hardlink_to(original)
        video = summary_video if preview else None
        write_report(summary, path, summary_video=video, source_video=source)
        resize(driver, width)
        driver.get_log("browser")
        driver.get(path.as_uri())
        wait(driver, "return document.documentElement.dataset.ready && document.documentElement.dataset.original")
        if preview:
            wait(driver, "return document.getElementById('summary-video').readyState >= 1")
        return driver

    yield open_at
    driver.get("about:blank")


def seconds(driver: Driver, element: str = "summary-video") -> float:
    return float(driver.execute_script(f"return document.getElementById('{element}').currentTime"))


def playhead(driver: Driver) -> float:
    return float(driver.execute_script("return document.getElementById('playhead').dataset.seconds"))


def card(driver: Driver, index: int) -> Any:
    return driver.find_element(By.CSS_SELECTOR, f"#gallery button[data-shot='{index}']")


def colour_shown(driver: Driver, element: str) -> tuple[int, int, int]:
    """A pixel from the middle of what is on screen (a page may not read the pixels of a file itself)."""
    with Image.open(io.BytesIO(driver.find_element(By.ID, element).screenshot_as_png)) as picture:
        red, green, blue = picture.convert("RGB").getpixel((picture.width // 2, picture.height // 3))
    return red, green, blue


def test_the_page_is_quiet_and_the_summary_plays(open_page: Opener) -> None:
    driver = open_page()
    facts = driver.execute_script(
        "const v = document.getElementById('summary-video'); return [v.duration, v.videoWidth, v.src.slice(0, 5)]"
    )
    assert facts[0] == pytest.approx(6.0, abs=0.1)
    assert facts[1:] == [160, "blob:"]
    driver.execute_script("const v = document.getElementById('summary-video'); v.muted = true; v.play()")
    wait(driver, "return document.getElementById('summary-video').currentTime > 0.5")
    assert [entry for entry in driver.get_log("browser") if entry["level"] != "INFO"] == []


def test_the_playhead_walks_with_the_summary_and_jumps_at_its_cuts(
    open_page: Opener, make_summary: SummaryBuilder
) -> None:
    driver = open_page()
    summary = make_summary()
    for at in (0.0, 1.0, 1.9, 2.1, 3.5, 4.0, 5.9):
        driver.execute_script(f"document.getElementById('summary-video').currentTime = {at}")
        wait(driver, "return !document.getElementById('summary-video').seeking")
        left = at
        for start, end in summary.segment_seconds:  # walk through the segments one by one
            if left < end - start:
                expected = start + left
                break
            left -= end - start
        wait(driver, f"return Math.abs(document.getElementById('playhead').dataset.seconds - {expected}) < 0.03")
        box = driver.execute_script(
            "const c = document.getElementById('chart').getBoundingClientRect();"
            "const p = document.querySelector('#playhead line').getBoundingClientRect();"
            "return (p.left + p.width / 2 - c.left) / c.width"
        )
        assert box == pytest.approx(expected / summary.timeline.end_seconds, abs=0.004)


@pytest.mark.parametrize(("shot", "at"), [(1, 0.0), (3, 2.0), (4, 4.0)])
def test_a_selected_shot_plays_from_its_place_in_the_summary(shot: int, at: float, open_page: Opener) -> None:
    driver = open_page()
    card(driver, shot).click()
    wait(driver, "return !document.getElementById('summary-video').paused")
    driver.execute_script("document.getElementById('summary-video').pause()")
    assert at <= seconds(driver) < at + 1.5
    wait(driver, "return !document.getElementById('summary-video').seeking")
    assert shot * 2 - 0.01 <= playhead(driver) < shot * 2 + 1.5
    assert card(driver, shot).get_attribute("aria-current") == "true"


def test_a_shot_outside_the_summary_plays_from_the_original_and_stops(open_page: Opener) -> None:
    driver = open_page()
    assert driver.find_element(By.ID, "show-original").is_enabled()
    driver.execute_script("document.getElementById('original-video').muted = true")
    card(driver, 2).click()
    wait(driver, "return document.getElementById('original-video').currentTime > 4.2")
    assert driver.find_element(By.ID, "original-video").is_displayed()
    assert not driver.find_element(By.ID, "summary-video").is_displayed()
    assert np.abs(np.subtract(colour_shown(driver, "original-video"), COLOURS[2])).max() < 40
    wait(driver, "return document.getElementById('original-video').paused")
    assert seconds(driver, "original-video") == pytest.approx(6.0, abs=0.15)
    card(driver, 3).click()  # a selected one: back to the summary
    wait(driver, "return document.getElementById('summary-video').currentTime > 2.0")
    assert driver.find_element(By.ID, "summary-video").is_displayed()


def test_the_switch_keeps_the_moment(open_page: Opener) -> None:
    driver = open_page()
    driver.execute_script("document.getElementById('summary-video').currentTime = 2.5")
    wait(driver, "return Math.abs(document.getElementById('playhead').dataset.seconds - 6.5) < 0.03")
    driver.find_element(By.ID, "show-original").click()
    wait(driver, "return Math.abs(document.getElementById('original-video').currentTime - 6.5) < 0.05")
    assert playhead(driver) == pytest.approx(6.5, abs=0.05)
    card(driver, 1).click()  # chosen by hand, the original stays
    wait(driver, "return document.getElementById('original-video').currentTime < 4")
    assert driver.find_element(By.ID, "original-video").is_displayed()


def test_without_the_original_a_shot_shows_its_picture_and_says_why(open_page: Opener, tmp_path: Path) -> None:
    driver = open_page(source=tmp_path / "gone" / "holiday.mp4")
    assert not driver.find_element(By.ID, "show-original").is_enabled()
    assert "could not be loaded" in driver.find_element(By.ID, "original-note").text
    card(driver, 5).click()
    still = driver.find_element(By.ID, "still")
    assert still.is_displayed()
    assert "Shot 6" in still.text
    assert "0:10.0 to 0:12.0" in still.text
    shown = driver.execute_script(
        "const i = document.getElementById('still-image'); return i.complete ? i.naturalWidth : 0"
    )
    assert shown == 160
    assert 10 <= playhead(driver) < 12
    driver.find_element(By.ID, "still-back").click()
    assert not still.is_displayed()
    assert driver.find_element(By.ID, "summary-video").is_displayed()
    # The browser itself notes the file that is missing; nothing else may be noted.
    assert [e for e in driver.get_log("browser") if "ERR_FILE_NOT_FOUND" not in e["message"]] == []


def test_without_any_video_the_page_still_shows_its_shots(open_page: Opener) -> None:
    driver = open_page(source=None, preview=False, thumbnails=())
    assert driver.find_element(By.ID, "still").is_displayed()
    card(driver, 0).click()
    assert "Shot 1" in driver.find_element(By.ID, "still").text
    assert driver.get_log("browser") == []


@pytest.mark.parametrize("width", [375, 1280])
def test_nothing_is_wider_than_the_window(width: int, open_page: Opener, make_summary: SummaryBuilder) -> None:
    long = "a_very_long_name_without_any_space_" * 6
    settings = {"a_rather_long_setting_name_here": long, "list": list(range(60))}
    info = replace(make_summary().info, path=f"clips/{long}.mp4")
    driver = open_page(width, settings=settings, info=info, title=long, warnings=(long,))
    root = "const root = document.documentElement; return [root.scrollWidth, root.clientWidth, innerWidth]"
    scroll, client, inner = driver.execute_script(root)
    assert scroll == client <= inner == width
    over = driver.execute_script(
        "return [...document.querySelectorAll('main *')].filter((e) => !e.closest('defs, #playlist') && "
        "e.getBoundingClientRect().right > innerWidth + 0.5).map((e) => e.tagName + '.' + e.getAttribute('class'))"
    )
    assert over == []


def test_text_of_the_user_is_never_run(open_page: Opener, make_summary: SummaryBuilder) -> None:
    summary = make_summary()
    name = HOSTILE.replace("</", "<")
    driver = open_page(
        info=replace(summary.info, path=name),
        title=HOSTILE,
        warnings=(HOSTILE,),
        settings={HOSTILE: HOSTILE},
        curves={HOSTILE: summary.curves["local_dissimilarity"]},
    )
    # An alert would have made every command above fail; the policy would have logged a refusal.
    assert driver.find_element(By.TAG_NAME, "h1").text == name
    assert driver.find_element(By.CSS_SELECTOR, ".notice li").text == HOSTILE
    assert HOSTILE.replace("_", " ")[1:] in driver.find_element(By.ID, "multiples").text
    assert driver.execute_script("return document.querySelectorAll('img[src=x], script').length") == 3
    assert [e for e in driver.get_log("browser") if e["level"] != "INFO"] == []


def test_the_keyboard_reaches_every_shot(open_page: Opener) -> None:
    driver = open_page()
    first = driver.find_element(By.CSS_SELECTOR, "#chart .shot[tabindex='0']")
    driver.execute_script("arguments[0].focus()", first)
    for _ in range(3):
        driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    active = driver.switch_to.active_element
    assert active.get_attribute("data-shot") == "3"
    assert active.get_attribute("aria-label").startswith("Shot 4, 0:06 to 0:08, score ")
    assert active.get_attribute("aria-label").endswith("in the summary")
    assert "shot 4 of 6" in driver.find_element(By.ID, "readout").text
    assert driver.execute_script("return getComputedStyle(arguments[0]).strokeWidth", active) == "2px"
    active.send_keys(Keys.SPACE)
    wait(driver, "return document.getElementById('summary-video').currentTime >= 2")
    assert driver.execute_script("return document.querySelectorAll('#chart .shot[tabindex=\"0\"]').length") == 1
    driver.execute_script("document.activeElement.blur()")
    body = driver.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.SPACE)
    wait(driver, "return document.getElementById('summary-video').paused")
    body.send_keys(Keys.ARROW_RIGHT)
    wait(driver, "return document.getElementById('summary-video').currentTime >= 4")


def test_tab_goes_through_the_pieces_and_enter_plays_one(open_page: Opener) -> None:
    driver = open_page()
    first = driver.find_element(By.CSS_SELECTOR, "#playlist button")
    driver.execute_script("arguments[0].focus()", first)
    for piece, at in ((1, 2.0), (2, 4.0)):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        active = driver.switch_to.active_element
        assert active.get_attribute("data-piece") == str(piece)
        active.send_keys(Keys.ENTER)
        wait(driver, f"return document.getElementById('summary-video').currentTime >= {at}")
        assert active.get_attribute("aria-current") == "true"
    assert active.get_attribute("aria-label").startswith("Play shot 5, 0:08 to 0:10, importance ")


def test_a_click_between_pieces_of_one_shot_plays_the_original_there(
    open_page: Opener, make_summary: SummaryBuilder
) -> None:
    one_shot = make_summary(starts=(0,), chosen=(0,), thumbnails=False)
    fields = {name: getattr(one_shot, name) for name in ("shots", "shot_scores", "selected", "keyframes")}
    pieces = np.array([[50, 100], [150, 200], [200, 250]])
    settings = {"select": "overview"}
    driver = open_page(segments=pieces, scenes=np.array([0]), settings=settings, avoided=((0, 25, "fades"),), **fields)
    assert [item.text.splitlines()[0] for item in driver.find_elements(By.CSS_SELECTOR, "#playlist li")] == [
        "Piece 1",
        "Piece 2",
        "Piece 3",
    ]

    def click_at(seconds: float) -> None:
        script = (
            "const c = document.getElementById('chart'); c.scrollIntoView({block: 'center'});"
            "const b = c.getBoundingClientRect(); return [b.left, b.top, b.width]"
        )
        left, top, width = driver.execute_script(script)
        place = {"x": left + width * seconds / 12, "y": top + 60, "button": "left", "clickCount": 1}
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": kind, **place})

    click_at(7.0)  # in the second piece, which begins 2 s into the summary
    wait(driver, "return document.getElementById('summary-video').currentTime >= 2")
    assert driver.find_element(By.ID, "summary-video").is_displayed()
    driver.execute_script("document.getElementById('original-video').muted = true")
    click_at(5.0)  # in the same shot, from the end of the first piece to the second
    wait(driver, "return document.getElementById('original-video').currentTime > 4.2")
    wait(driver, "return document.getElementById('original-video').paused")
    assert seconds(driver, "original-video") == pytest.approx(6.0, abs=0.15)
    click_at(0.5)
    wait(driver, "return document.getElementById('readout').textContent.includes('left out: fades')")


def test_the_original_can_be_chosen_by_hand(
    open_page: Opener, colour_videos: tuple[Path, Path], tmp_path: Path
) -> None:
    driver = open_page(source=tmp_path / "gone" / "holiday.mp4")
    driver.find_element(By.ID, "original-file").send_keys(str(colour_videos[0]))
    wait(driver, "return document.documentElement.dataset.original === 'found'")
    assert not driver.find_element(By.ID, "original-note").is_displayed()
    driver.find_element(By.ID, "show-original").click()
    assert driver.find_element(By.ID, "original-video").is_displayed()


def test_the_scale_beside_the_curve_is_the_scale_of_the_curve(open_page: Opener, make_summary: SummaryBuilder) -> None:
    driver = open_page()
    marks = driver.execute_script(
        "return [...document.querySelectorAll('#chart .scale')]"
        ".map((text) => [Number(text.textContent), Number(text.getAttribute('y'))])"
    )
    line = driver.execute_script("return document.querySelector('#chart path.line').getAttribute('d')")
    values = make_summary().scores
    heights = [float(point.split(" ")[1]) for point in line.replace("M", "L").split("L")[1:]][: len(values)]
    slope, offset = np.polyfit(values, heights, 1)
    assert 3 <= len(marks) <= 6
    for value, y in marks:
        assert y == pytest.approx(offset + slope * value - 3, abs=0.6)  # the text stands 3 px above its line


def test_of_many_shots_those_in_the_summary_come_first(open_page: Opener, make_summary: SummaryBuilder) -> None:
    summary = make_summary(n_frames=305, starts=tuple(range(0, 305, 5)), chosen=(1, 30))
    fields = ("timeline", "shots", "shot_scores", "selected", "keyframes", "segments", "picks", "scores", "curves")
    driver = open_page(thumbnails=(), **{name: getattr(summary, name) for name in fields})
    assert len([c for c in driver.find_elements(By.CSS_SELECTOR, "#gallery .card") if c.is_displayed()]) == 2
    driver.find_element(By.ID, "filter-all").click()
    assert len([c for c in driver.find_elements(By.CSS_SELECTOR, "#gallery .card") if c.is_displayed()]) == 61


@pytest.mark.parametrize("width", [375, 1280])
def test_the_pointer_reads_the_curve_and_a_tap_plays(
    width: int, open_page: Opener, make_summary: SummaryBuilder
) -> None:
    driver = open_page(width)
    summary = make_summary()
    script = (
        "document.getElementById('chart').scrollIntoView({block: 'center'});"
        "const b = document.getElementById('chart').getBoundingClientRect(); return [b.left, b.top, b.width]"
    )
    end = time.monotonic() + 15
    while "of 6" not in (text := driver.find_element(By.ID, "readout").text):
        assert time.monotonic() < end, text
        left, top, size = driver.execute_script(script)
        x, y = left + size * 7 / 12, top + 40
        driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})
    # Reading must not move what is read.
    assert driver.execute_script(script) == [left, top, size]
    pick = int(np.searchsorted(summary.picks / 25, 7.0, side="right")) - 1
    assert f"importance {summary.scores[pick]:.2f}" in text
    assert "shot 4 of 6, in the summary" in text
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    wait(driver, "return document.getElementById('summary-video').currentTime >= 2")


def test_the_filter_leaves_the_selected_shots(open_page: Opener) -> None:
    driver = open_page()
    driver.find_element(By.ID, "filter-selected").click()
    shown = [item for item in driver.find_elements(By.CSS_SELECTOR, "#gallery .card") if item.is_displayed()]
    assert [item.find_element(By.TAG_NAME, "b").text for item in shown] == ["Shot 2", "Shot 4", "Shot 5"]
    driver.find_element(By.ID, "filter-all").click()
    assert len([c for c in driver.find_elements(By.CSS_SELECTOR, "#gallery .card") if c.is_displayed()]) == 6


def test_the_curve_is_drawn_again_at_another_width(open_page: Opener) -> None:
    driver = open_page(1280)
    for width in (700, 375):
        resize(driver, width)
        script = (
            "const s = document.querySelector('#chart svg'), w = document.getElementById('chart').clientWidth;"
            "return w < innerWidth && s.viewBox.baseVal.width === w && s.getBoundingClientRect().width === w"
        )
        wait(driver, script)


def test_a_thousand_shots_are_still_quick(driver: Driver, make_summary: SummaryBuilder, tmp_path: Path) -> None:
    starts = tuple(range(0, 30000, 30))
    summary = make_summary(n_frames=30000, starts=starts, chosen=tuple(range(0, 1000, 7)))
    write_report(summary, tmp_path / "report.html")
    resize(driver, 1280)
    driver.get_log("browser")
    driver.get((tmp_path / "report.html").as_uri())
    wait(driver, "return document.documentElement.dataset.ready")
    assert driver.execute_script("return document.querySelectorAll('#gallery .card').length") == 1000
    assert len(driver.find_elements(By.CSS_SELECTOR, "#gallery img")) <= 400
    card(driver, 7).click()
    assert 210 / 25 <= playhead(driver) < 240 / 25
    assert driver.get_log("browser") == []


@pytest.mark.parametrize(("scale", "shown"), [(1.0, "0.53"), (0.05, "0.027"), (1e-10, "5.34e-11"), (0.0, "0.00")])
def test_scores_of_any_size_can_be_told_apart(
    scale: float, shown: str, open_page: Opener, make_summary: SummaryBuilder
) -> None:
    summary = make_summary()
    means = np.full(len(summary.shots), 0.534) * scale
    driver = open_page(scores=summary.scores * scale, shot_scores=means)
    assert driver.find_element(By.CSS_SELECTOR, "#gallery .row span").text == shown
    assert driver.find_element(By.CSS_SELECTOR, "#chart path.line").get_attribute("d").startswith("M0.0")
    assert [e for e in driver.get_log("browser") if e["level"] != "INFO"] == []


def test_the_page_of_a_film_plays_it_from_each_piece(
    driver: Driver, colour_videos: tuple[Path, Path], tmp_path: Path
) -> None:
    piece = {"video": 0, "start_seconds": 4.0, "end_seconds": 6.0}
    document = {
        "name": "holiday",
        "title": "",
        "selected_seconds": 4.0,
        "total_seconds": 5.0,
        "order": "name",
        "scorer": "contrastive",
        "settings": {},
        "warnings": [],
        "left_out": [],
        "pieces": [{**piece, "film_seconds": 0.0}, {**piece, "film_seconds": 1.5}],
        "videos": [{"video": {"path": "a.mp4", "duration_seconds": 9.0}, "selected_seconds": 4.0, "note": ""}],
    }
    write_film_page(document, tmp_path / "report.html", film=colour_videos[1], thumbnails=[b"", b""])
    driver.get((tmp_path / "report.html").as_uri())
    wait(driver, "return document.documentElement.dataset.ready === 'true'")
    wait(driver, "return document.getElementById('film').readyState >= 1")
    driver.execute_script("document.getElementById('film').muted = true")
    driver.find_elements(By.CSS_SELECTOR, "[data-at]")[1].send_keys(Keys.ENTER)
    wait(driver, "return document.getElementById('film').currentTime >= 1.5")
    wait(driver, "return document.querySelectorAll('[data-at]')[1].getAttribute('aria-current') === 'true'")
