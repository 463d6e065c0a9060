"""A summarizer or a refiner for others: as an ONNX file, with a model card, on the Hugging Face hub.

source.py         which checkpoint, and its facts
onnx.py           export_onnx(task, path): traced, checked beside torch, and only then under its name
onnx_graph.py     what is exported as a graph: inputs, outputs and metadata of each kind
figures.py        result files of evaluations, and whether they are of this checkpoint
model_card.py     model_card(source): README.md of a checkpoint folder; its templates are card*.md.j2
hub.py            push_to_hub(source, repo_id)
"""

from sspvs.export.hub import push_to_hub
from sspvs.export.model_card import model_card, write_model_card
from sspvs.export.onnx import OnnxReport, export_onnx

__all__ = ["OnnxReport", "export_onnx", "model_card", "push_to_hub", "write_model_card"]
