"""A summarizer or a refiner for others: as an ONNX file, with a model card, on the Hugging Face hub.

source.py         which checkpoint, and what it says of itself
onnx.py           export_onnx(task, path): traced, checked, and only then under its name
onnx_graph.py     what is exported as a graph: its inputs and outputs; onnx_summarizer.py, onnx_refiner.py: of each kind
onnx_check.py     onnxruntime against torch
onnx_metadata.py  what the file says of itself
figures.py        result files of evaluations, and whether they are of this checkpoint
card_figures.py   figures in words and tables
card_parts.py     the other parts of a model card; card_summarizer.py, card_refined.py: what a kind says for itself
model_card.py     model_card(source): README.md of a checkpoint folder
hub.py            push_to_hub(source, repo_id)
"""

from sspvs.export.hub import push_to_hub
from sspvs.export.model_card import model_card, write_model_card
from sspvs.export.onnx import OnnxReport, export_onnx

__all__ = ["OnnxReport", "export_onnx", "model_card", "push_to_hub", "write_model_card"]
