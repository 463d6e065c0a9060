"""The values that cross from one folder to the next.

Axis letters: T picks (sampled frames), N frames of the original video, S shots, U users (annotators), D feature
width. Two clocks, two names: a *frame* is an index into the original video (0..N-1), a *pick* is one of the T frames
that were sampled. Seconds count from the first frame of the video. Shots are half-open frame ranges.

    VideoInfo, Timeline, DecodeReport     a video file: its facts, when frames are shown, what decoding met
    WrittenClip                           a video file that was written
    Fingerprint, FrameFeatures            features at the picks, and what made them
    FurtherStream                         features of another kind at the same picks
    Resize                                how frames are resized while they are decoded
    Cue                                   words that are spoken, and when
    FrameTrace, SoundTrace                what every frame looks like and every moment sounds like, in a few numbers
    Shots                                 the video cut into shots
    Summary                               scores, shots and which of them were chosen
    Guidance                              how much a title did for a summary
    Annotations                           the annotations of people
"""

from sspvs.types.summary import Annotations, Guidance, Summary
from sspvs.types.video import (
    TEXT_CODECS,
    BoolArray,
    Cue,
    DecodeReport,
    Fingerprint,
    FloatArray,
    FrameFeatures,
    FrameTrace,
    FurtherStream,
    ImageArray,
    IntArray,
    Resize,
    Shots,
    SoundTrace,
    Timeline,
    VideoInfo,
    WrittenClip,
)

__all__ = [
    "TEXT_CODECS",
    "Annotations",
    "BoolArray",
    "Cue",
    "DecodeReport",
    "Fingerprint",
    "FloatArray",
    "FrameFeatures",
    "FrameTrace",
    "FurtherStream",
    "Guidance",
    "ImageArray",
    "IntArray",
    "Resize",
    "Shots",
    "SoundTrace",
    "Summary",
    "Timeline",
    "VideoInfo",
    "WrittenClip",
]
