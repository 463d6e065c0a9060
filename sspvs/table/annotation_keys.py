"""The names under which dataset files keep annotations: the community's, MR.HiSum's and ours."""

from __future__ import annotations

GTSCORE, GTSUMMARY = "gtscore", "gtsummary"
USER_SUMMARY, USER_SCORES = "user_summary", "user_scores"
CHANGE_POINTS, N_FRAME_PER_SEG = "change_points", "n_frame_per_seg"
GT_SUMMARY = "gt_summary"  # MR.HiSum's own spelling; its README says `gtsummary`
TITLE, CATEGORY, FPS = "title", "category", "fps"  # ours
REPAIRS = "repairs"  # attribute, ours: what was repaired on the way into the file
