"""An evaluation one can cite: dataset file and scores in; every figure, and all that made it, out.

settings.py      what decides how scores are judged
evaluating.py    evaluate(dataset, scores): files -> Evaluation
refined.py       rows of refined features: names and scores
rows.py          which rows and protocols the dataset allows, and their figures
watching.py      bars
provenance.py    coverage, file hashes, versions
result_file.py   Evaluation -> JSON
"""

from sspvs.benchmark.evaluating import Benchmark, comparisons_of, evaluate, run_benchmark
from sspvs.benchmark.result_file import as_json, write_evaluation
from sspvs.benchmark.settings import EvaluationSettings

__all__ = [
    "Benchmark",
    "EvaluationSettings",
    "as_json",
    "comparisons_of",
    "evaluate",
    "run_benchmark",
    "write_evaluation",
]
