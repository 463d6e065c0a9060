"""What a summary avoids of drawn cards, slides and loading screens between real scenes, and what it does not."""

from itertools import chain

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from sspvs.selection.shots import shots_from_cuts
from sspvs.selection.transitions import find_transitions
from sspvs.selection.unwanted import find_unwanted, unwanted_frames
from sspvs.types import Timeline
from sspvs.video.trace import Tracer

FPS, SIZE = 10, (192, 108)
BLACK, WHITE = Image.new("RGB", SIZE, "black"), Image.new("RGB", SIZE, "white")
SHADES = np.linspace(30, 150, SIZE[1])[:, None, None].repeat(SIZE[0], axis=1).repeat(3, axis=2).astype(np.uint8)
GRADIENT = Image.fromarray(SHADES)


@pytest.fixture(scope="module")
def scenes(shared_data):
    """Up to twenty seconds of each of two real takes."""
    found = []
    for name in ("charades.mp4", "sample_demo_1.mp4"):
        with av.open(str(shared_data / "videos" / name)) as video:
            stream = video.streams.video[0]
            step = float(stream.average_rate) / FPS
            frames = [frame.reformat(*SIZE, format="rgb24").to_ndarray() for frame in video.decode(stream)]
        found.append([frames[int(i * step)] for i in range(min(20 * FPS, int(len(frames) / step)))])
    return found


def written(picture, seed, lines=4, colour="black"):
    """A picture with lines of words: small boxes of different lengths."""
    rng, card = np.random.default_rng(seed), picture.copy()
    draw = ImageDraw.Draw(card)
    for line in range(lines):
        x = 16
        while x < 150:
            length = int(rng.integers(4, 22))
            for letter in range(x, x + length, 3):
                draw.rectangle((letter, 20 + 18 * line, letter + 1, 27 + 18 * line), fill=colour)
            x += length + 6
    return card


def held(picture, seconds):
    return [np.asarray(picture)] * int(seconds * FPS)


def logo(ground, colour):
    card = ground.copy()
    ImageDraw.Draw(card).ellipse((70, 28, 122, 80), outline=colour, width=7)
    return card


def spinner(seconds):
    for step in range(int(seconds * FPS)):
        picture = WHITE.copy()
        ImageDraw.Draw(picture).arc((86, 44, 106, 64), step * 24 % 360, step * 24 % 360 + 270, fill="gray", width=3)
        yield np.asarray(picture)


def rolling_credits(seconds):
    strip = Image.new("RGB", (SIZE[0], 600), "black")
    for top in range(100, 500, 100):
        strip.paste(written(BLACK, top, colour="white").crop((0, 0, 192, 100)), (0, top))
    for step in range(int(seconds * FPS)):
        yield np.asarray(strip.crop((0, 2 * step, SIZE[0], 2 * step + SIZE[1])))


def dark(frames, share):
    return [(frame * share).astype(np.uint8) for frame in frames]


def avoided(*parts):
    """The share of each part's frames that is avoided."""
    parts = [list(part) for part in parts]
    tracer = Tracer()
    for picture in chain(*parts):
        tracer.add(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(format="yuv420p"))
    trace = tracer.trace()
    n_frames = len(trace.change)
    timeline = Timeline(np.arange(n_frames) / FPS, n_frames / FPS)
    transitions = find_transitions(trace, timeline)
    found = find_unwanted(trace, shots_from_cuts(transitions.starts, n_frames), transitions, timeline)
    ends = np.cumsum([len(part) for part in parts])
    return [float(part.mean()) for part in np.split(unwanted_frames(found, n_frames), ends[:-1])]


@pytest.mark.parametrize("kind", ["black", "white", "gradient", "spinner", "end photo", "credits", "blur", "darkness"])
def test_what_is_avoided(scenes, kind):
    one, other = scenes
    begins = {
        "black": held(logo(BLACK, "red"), 3),
        "white": held(written(WHITE, 1, 2), 3),
        "gradient": held(logo(GRADIENT, "white"), 3),
        "spinner": spinner(4),
        "darkness": dark(one[:40], 0.05),
    }
    end = {"end photo": held(written(Image.fromarray(other[9]), 2, 1, "white"), 5), "credits": rolling_credits(8)}
    if kind in begins:
        shares = avoided(begins[kind], one, other)
        assert shares[0] > 0.9
    elif kind in end:
        shares = avoided(one, other, end[kind])[::-1]
        assert shares[0] > 0.7
    else:
        blurred = [np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(6))) for frame in other[60:70]]
        shares = avoided(blurred, one, other[:60])  # alone it is a soft picture
        assert shares[0] < 0.1
        shares = avoided(one, other[:60], blurred, other[70:])
        assert shares.pop(2) > 0.9
        shares = [1.0, *shares]
    assert max(shares[1:]) < 0.1


@pytest.mark.parametrize(("ground", "colour"), [(WHITE, "black"), (BLACK, "white"), (GRADIENT, "white")])
def test_slides_of_a_talk_are_kept(scenes, ground, colour):
    speaker = scenes[0]
    slides = [held(written(ground, number, colour=colour), 9 + number) for number in range(4)]
    parts = [speaker[:150], slides[0], speaker[:100], slides[1], speaker[50:], slides[2], speaker[:120], slides[3]]
    assert max(avoided(*parts)) == 0
    assert max(avoided(*slides)) == 0


def test_dim_scenes_words_over_pictures_and_still_scenes_are_kept(scenes):
    one, other = scenes
    titled = [np.asarray(written(Image.fromarray(frame), 3, 1, "white")) for frame in other[50:]]
    fog = [(0.16 * frame + 165).astype(np.uint8) for frame in one[:120]]
    assert max(avoided(one, titled, other[:50], fog, one)) < 0.05
    lamps = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    lamps[20:30, 30:40] = lamps[40:52, 120:132] = 200
    night = [np.maximum(frame, lamps) for frame in dark(other[:120], 0.12)]
    assert max(avoided(one, night, one[:100])) < 0.05
    noise = np.random.default_rng(0).normal(0, 3, (8, SIZE[1], SIZE[0], 3))
    still = [np.clip(other[0] + noise[frame % 8], 0, 255).astype(np.uint8) for frame in range(300)]
    assert avoided(still) == [0]
    assert max(avoided(*(held(Image.fromarray(frame), 3) for frame in one[::30]))) == 0  # a slide show
