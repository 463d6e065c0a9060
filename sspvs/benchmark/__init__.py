"""An evaluation one can cite: dataset file and scores in; every figure, and all that made it, out.

evaluating.py    evaluate(dataset, scores): files -> Evaluation
matching.py      scores of a method, matched to the videos of a dataset
rows.py          what decides how scores are judged, which rows and protocols the dataset allows, their figures
result_file.py   Evaluation -> JSON, with dataset, split, hashes and versions
"""

from sspvs.benchmark.evaluating import Benchmark, comparisons_of, evaluate, run_benchmark
from sspvs.benchmark.result_file import as_json, write_evaluation
from sspvs.benchmark.rows import EvaluationSettings

__all__ = [
    "Benchmark",
    "EvaluationSettings",
    "as_json",
    "comparisons_of",
    "evaluate",
    "run_benchmark",
    "write_evaluation",
]
