"""What a summary looks like, and what an evaluation looks like: data files, pictures, interactive pages.

What is exported here takes a `Summary` and writes one file (or a folder of key frames) whole or not at all. Pictures
need matplotlib and Pillow, `.otio` needs the extra `export`; each is imported only when its function runs. `page`
has what all pages share, `evaluation_page` and `plots` draw the table of an evaluation, `notebook` shows a summary.
"""

from sspvs.report.edit_list import write_edl, write_otio
from sspvs.report.page import write_report
from sspvs.report.plots import write_scores_png
from sspvs.report.tables import write_keyframe_images, write_scores_csv, write_summary_json

__all__ = [
    "write_edl",
    "write_keyframe_images",
    "write_otio",
    "write_report",
    "write_scores_csv",
    "write_scores_png",
    "write_summary_json",
]
