"""The kinds of files that commands read: what is damaged, and which commands then read it.

A kind's files lie in a folder of their own, in which its commands run; what they write goes into `out/`, or is named
among the kind's own outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

from helpers.fuzz import sources as made
from helpers.fuzz.sources import EYES, FIT, Maker, all_of, drawn, named, text


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        form: How it is read and written for mutation: a key of `mutators.TREES`, `h5`, or what has bytes only.
        target: The file that is damaged, within the folder.
        make: Writes the undamaged files into an empty folder.
        commands: What is run in the folder.
        outputs: Files and folders that commands may change although they were there.
        runs: Commands that are run on one mutant, in turn.
        statuses: Exit statuses of the commands on the undamaged file.
    """

    form: str
    target: str
    make: Maker
    commands: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    runs: int = 2
    statuses: tuple[int, ...] = (0,)


def _inspected(path: str, *more: str) -> tuple[str, ...]:
    return (*more, f"data inspect {path}")


def _evaluated(path: str) -> tuple[str, ...]:
    return _inspected(path, f"evaluate --dataset D.h5 --scores {path} --out out/R.json --draws 5")


def _built(dataset: str, path: str, more: str = "") -> tuple[str, ...]:
    return _inspected(path, f"data build {dataset} --annotations {path} --out out/D.h5 {more}")


def _converted(path: str, kind: str, out: str, more: str = "") -> str:
    return f"data convert {path} --to {kind} --out out/{out} {more}"


def _scorer(path: str, *more: str) -> tuple[str, ...]:
    return (
        f"score D.h5 --scorer {path} --out out/s.h5 --quiet",
        f"export {path} --card out/card.md",
        f"export {path} --onnx out/m.onnx --no-check",
        *more,
    )


def _watched(path: str) -> tuple[str, ...]:
    return f"extract {path} --out out/F.h5 {EYES}", f"summarize {path} --out out/S {EYES}"


_CONTRASTIVE = "evaluate --dataset D.h5 --baseline contrastive --out out/R.json --report out/R.html --draws 5"
_HUMAN = "evaluate --dataset D.h5 --baseline human --draws 5"
_SCORE = "score D.h5 --out out/s.h5"
_CROSSVAL = "crossval --config run.yaml --out X --seeds 1 --quiet"
_SHARD = "data shard {} --out out/shards"
_SHOTS = {"holiday": [[0, 100], [100, 250]], "wedding": [[0, 60], [60, 120]]}
_TEXTS = "id,title,category\n" + "".join(f"video_{n},title {n},category\n" for n in range(1, 7))
_MINE = named("mine.json", drawn.custom)
_WORLD = ("data world --out out/W --clips clips --pretrain 6 --val 3 --annotated 5",)
_FOUND_OUT = (0, 1)  # what `data inspect` calls not usable

KINDS: dict[str, Kind] = {
    "dataset": Kind(
        "h5",
        "D.h5",
        made.fine_tuning,
        (
            *_inspected("D.h5", _CONTRASTIVE, _SCORE, FIT),
            _converted("D.h5", "dsnet", "labels"),
            _converted("D.h5", "community", "E.h5"),
            "data splits --dataset D.h5 --out out/S.json --folds 2",
        ),
    ),
    "community dataset": Kind(
        "h5",
        "D.h5",
        named("D.h5", drawn.community),
        (*_inspected("D.h5 --json", _CONTRASTIVE, _SCORE), _converted("D.h5", "custom", "m.json", "--fps 25")),
    ),
    "features of extract": Kind(
        "h5",
        "F.h5",
        made.extracted,
        (
            *_inspected("F.h5", "score F.h5 --out out/s.h5", f"extract a.mp4 b.mp4 --out F.h5 {EYES}"),
            _converted("F.h5", "community", "D.h5"),
        ),
        outputs=("F.h5",),
    ),
    "features to build from": Kind(
        "h5",
        "F.h5",
        all_of(_MINE, named("F.h5", made.features_of_own)),
        ("data build custom --annotations mine.json --features F.h5 --out out/D.h5",),
    ),
    "recorded scores": Kind(
        "h5",
        "s.h5",
        all_of(made.annotated, made.command("score D.h5 --out s.h5 --quiet")),
        _evaluated("s.h5"),
    ),
    "peer scores": Kind(
        "h5",
        "p.h5",
        all_of(named("D.h5", drawn.community), named("p.h5", drawn.peer_scores)),
        (*_evaluated("p.h5"), "evaluate --dataset D.h5 --scores p.h5 --recorded-summaries --draws 5"),
    ),
    "scores json": Kind("json", "s.json", made.scores_json, _evaluated("s.json")),
    "scores npz": Kind("npz", "s.npz", made.scores_npz, _evaluated("s.npz"), statuses=_FOUND_OUT),
    "scores csv": Kind("csv", "s.csv", made.scores_csv, _evaluated("s.csv"), statuses=_FOUND_OUT),
    "splits json": Kind(
        "json",
        "S.json",
        made.fine_tuning,
        _inspected("S.json", "data splits --read S.json --dataset D.h5", f"{_HUMAN} --splits S.json", FIT),
    ),
    "splits yaml": Kind(
        "yaml",
        "S.yml",
        all_of(made.fine_tuning, text("S.yml", made.yaml.safe_dump(made.FOLDS))),
        _inspected("S.yml", "data splits --read S.yml", f"{FIT} --data.splits S.yml"),
    ),
    "TVSum mat": Kind(
        "h5", "ydata-tvsum50.mat", named("ydata-tvsum50.mat", made.tvsum_mat), _built("tvsum", "ydata-tvsum50.mat")
    ),
    "TVSum tsv": Kind(
        "tsv",
        "ydata-tvsum50-anno.tsv",
        named("ydata-tvsum50-anno.tsv", drawn.tvsum_tsv),
        _built("tvsum", "ydata-tvsum50-anno.tsv", "--fps 25"),
    ),
    "SumMe mat": Kind(
        "mat",
        "GT/Jumps.mat",
        made.summe,
        _inspected("GT/Jumps.mat", "data build summe --annotations GT --out out/D.h5"),
    ),
    "own csv": Kind("csv", "mine.csv", named("mine.csv", drawn.custom_csv), _built("custom", "mine.csv")),
    "own json": Kind(
        "json",
        "mine.json",
        _MINE,
        (*_built("custom", "mine.json"), _converted("mine.json", "community", "E.h5")),
    ),
    "shots of datasets": Kind(
        "json",
        "shots.json",
        all_of(_MINE, text("shots.json", _SHOTS)),
        ("data build custom --annotations mine.json --shots shots.json --out out/D.h5",),
    ),
    "shots of a video": Kind(
        "json",
        "shots.json",
        all_of(made.video("V.mp4"), text("shots.json", [[0, 5], [5, 10], [10, 15]])),
        (f"summarize V.mp4 --segmenter given --shots shots.json --out out/S {EYES}",),
    ),
    "frame rates": Kind(
        "json",
        "fps.json",
        all_of(named("D.h5", drawn.community), text("fps.json", {"video_1": 25, "video_2": 30, "video_3": 5})),
        (
            _converted("D.h5", "videoxum", "x.json", "--fps fps.json"),
            _converted("D.h5", "custom", "m.json", "--fps fps.json"),
        ),
    ),
    "manifest csv": Kind(
        "csv",
        "pairs.csv",
        all_of(made.pairs_csv, made.pretraining("pairs.csv")),
        _inspected("pairs.csv", _SHARD.format("pairs.csv"), FIT),
        statuses=_FOUND_OUT,
    ),
    "manifest jsonl": Kind(
        "jsonl",
        "pairs.jsonl",
        all_of(made.pairs, made.pretraining("pairs.jsonl")),
        _inspected("pairs.jsonl", _SHARD.format("pairs.jsonl"), FIT),
        statuses=_FOUND_OUT,
    ),
    "features of a manifest": Kind(
        "h5",
        "features.h5",
        all_of(made.pairs, made.pretraining("pairs.jsonl")),
        (_SHARD.format("pairs.jsonl"), FIT),
    ),
    "npy features": Kind(
        "npy",
        "v1.npy",
        all_of(made.arrays, made.pretraining("pairs.csv")),
        _inspected("v1.npy", _SHARD.format("pairs.csv"), FIT),
        statuses=_FOUND_OUT,
    ),
    "texts": Kind(
        "csv",
        "texts.csv",
        all_of(made.fine_tuning, text("texts.csv", _TEXTS)),
        (f"{FIT} --data.texts texts.csv --model.summarizer.text_guidance gate --model.text.encoder small",),
    ),
    "shard": Kind("tar", "shards/shard-000000.tar", made.shards, _inspected("shards/shard-000000.tar", FIT)),
    "index of shards": Kind(
        "jsonl", "shards/index.jsonl", made.shards, _inspected("shards/index.jsonl", FIT), statuses=_FOUND_OUT
    ),
    "release features": Kind(
        "h5",
        "release/features/id three.h5",
        named("release", drawn.sspvs_release),
        _inspected("release", _converted("release", "youtube8m", "bytes.h5"), _SHARD.format("release")),
    ),
    "release tokens": Kind(
        "h5",
        "release/info_embed/Zz9.h5",
        named("release", drawn.sspvs_release),
        _inspected("release/info_embed/Zz9.h5", _SHARD.format("release"), "data inspect release"),
    ),
    "release list": Kind(
        "json",
        "release/list_file/train_list.json",
        named("release", drawn.sspvs_release),
        _inspected("release/list_file/train_list.json", _SHARD.format("release"), "data inspect release"),
    ),
    "YouTube-8M records": Kind(
        "tfrecord",
        "train.tfrecord",
        all_of(named("train.tfrecord", drawn.youtube8m_tfrecord), made.refining("train.tfrecord")),
        _inspected("train.tfrecord", _converted("train.tfrecord", "youtube8m", "bytes.h5"), FIT),
    ),
    "YouTube-8M arrays": Kind(
        "npy",
        "bytes/ORaA.npy",
        named("bytes", drawn.youtube8m_npy),
        _inspected("bytes", _converted("bytes", "youtube8m", "bytes.h5")),
    ),
    "YouTube-8M h5": Kind(
        "h5",
        "bytes.h5",
        all_of(named("bytes.h5", drawn.youtube8m_h5), made.refining("bytes.h5")),
        _inspected("bytes.h5", _converted("bytes.h5", "youtube8m", "bytes"), FIT),
    ),
    "notes about features": Kind(
        "json",
        ".sspvs-survey.json",
        all_of(made.pairs, made.pretraining("pairs.jsonl"), made.command("data shard pairs.jsonl --out s --quiet")),
        (FIT, _SHARD.format("pairs.jsonl")),
    ),
    "notes about records": Kind(
        "npz",
        ".sspvs-records.npz",
        all_of(
            named("train.tfrecord", drawn.youtube8m_tfrecord),
            made.refining("train.tfrecord"),
            made.command(f"{FIT} --run.root first"),
        ),
        (FIT,),
    ),
    "clips h5": Kind("h5", "clips/many.h5", made.clips, _WORLD),
    "clips npz": Kind("npz", "clips/one.npz", made.clips, _WORLD),
    "VideoXum": Kind(
        "json",
        "train_videoxum.json",
        named("train_videoxum.json", drawn.videoxum),
        _inspected("train_videoxum.json", _converted("train_videoxum.json", "community", "D.h5")),
    ),
    "QVHighlights": Kind(
        "jsonl",
        "highlight_val.jsonl",
        named("highlight_val.jsonl", drawn.qvhighlights),
        _inspected("highlight_val.jsonl"),
    ),
    "DSNet labels": Kind(
        "json",
        "labels/my video 1.json",
        named("labels", drawn.dsnet),
        _inspected("labels", _converted("labels", "custom", "m.json", "--fps 25")),
    ),
    "MR.HiSum": Kind(
        "h5",
        "mr_hisum.h5",
        named("mr_hisum.h5", drawn.mrhisum),
        _inspected("mr_hisum.h5", _converted("mr_hisum.h5", "community", "D.h5"), "score mr_hisum.h5 --out out/s.h5"),
    ),
    "MR.HiSum metadata": Kind(
        "csv",
        "metadata.csv",
        named("mr_hisum.h5", drawn.mrhisum),
        _inspected("metadata.csv", _converted("mr_hisum.h5", "custom", "m.json"), "data inspect mr_hisum.h5"),
    ),
    "checkpoint config": Kind("json", "C/config.json", all_of(made.for_checkpoints, made.checkpoint), _scorer("C")),
    "checkpoint weights": Kind(
        "safetensors", "C/model.safetensors", all_of(made.for_checkpoints, made.checkpoint), _scorer("C")
    ),
    "text checkpoint config": Kind(
        "json",
        "C/config.json",
        all_of(made.for_checkpoints, made.text_checkpoint),
        _scorer("C", "score D.h5 --scorer C --out out/s.h5 --title something"),
    ),
    "refined config": Kind("json", "C/config.json", all_of(made.for_checkpoints, made.refined), _scorer("C")),
    "refined weights": Kind(
        "safetensors", "C/model.safetensors", all_of(made.for_checkpoints, made.refined), _scorer("C")
    ),
    "checkpoint file": Kind("torch", "m.ckpt", all_of(made.for_checkpoints, made.summarizer_file), _scorer("m.ckpt")),
    "refined file": Kind("torch", "m.ckpt", all_of(made.for_checkpoints, made.refined_file), _scorer("m.ckpt")),
    "pretraining folder": Kind(
        "json", "P/config.json", all_of(made.fine_tuning, made.pretrained), (f"{FIT} --model.pretrained P",)
    ),
    "pretraining file": Kind(
        "torch", "m.ckpt", all_of(made.fine_tuning, made.pretraining_file), (f"{FIT} --model.pretrained m.ckpt",)
    ),
    "resumed checkpoint": Kind(
        "torch",
        "last.ckpt",
        made.resumable,
        (
            f"{FIT} --trainer.max_steps 2 --trainer.max_epochs 2 --ckpt_path last.ckpt",
            "validate --config run.yaml --ckpt_path last.ckpt",
            "predict --config run.yaml --ckpt_path last.ckpt --out out/s.h5",
        ),
    ),
    "official checkpoint": Kind(
        "torch",
        "official.ckpt",
        named("official.ckpt", made.official_file),
        ("import official.ckpt --out out/C --num-heads 4 --text-num-heads 4",),
    ),
    "run config": Kind("yaml", "run.yaml", made.fine_tuning, (FIT, "fit --config run.yaml --print_config")),
    "refine config": Kind("yaml", "run.yaml", all_of(made.pairs, made.refining("features.h5")), (FIT,)),
    "pretrain config": Kind("yaml", "run.yaml", all_of(made.pairs, made.pretraining("pairs.jsonl")), (FIT,)),
    "result": Kind(
        "json",
        "R.json",
        all_of(made.for_checkpoints, made.checkpoint, made.command(f"{_HUMAN} --out R.json --quiet")),
        ("export C --card out/card.md --results R.json", f"{_HUMAN} --out R.json"),
        outputs=("R.json",),
    ),
    "summary": Kind(
        "json",
        "out/S/V/summary.json",
        all_of(made.video("V.mp4"), made.video("W.mp4"), made.command(f"summarize V.mp4 W.mp4 --out out/S {EYES}")),
        (
            f"summarize V.mp4 W.mp4 --out out/S {EYES}",
            f"summarize V.mp4 --segmenter given --shots out/S/V/summary.json --out out/T {EYES}",
        ),
        outputs=("out",),
        runs=1,
    ),
    "crossval settings": Kind("json", "X/settings.json", made.cross_validated, (_CROSSVAL,), outputs=("X",)),
    "crossval fold": Kind("json", "X/seed_0/fold_0/fold.json", made.cross_validated, (_CROSSVAL,), outputs=("X",)),
    "googlenet weights": Kind(
        "torch",
        "g.pth",
        all_of(made.video("V.mp4"), named("g.pth", made.part_of_googlenet)),
        ("extract V.mp4 --out out/F.h5 --backbone googlenet:g.pth --quiet",),
        statuses=(2,),
    ),
    "open_clip weights": Kind(
        "safetensors",
        "c.safetensors",
        all_of(made.video("V.mp4"), named("c.safetensors", made.part_of_clip)),
        ("extract V.mp4 --out out/F.h5 --backbone open_clip:RN50/c.safetensors --quiet",),
        statuses=(2,),
    ),
    "mp4": Kind("mp4", "V.mp4", made.video("V.mp4"), _watched("V.mp4"), runs=1),
    "mp4 with sound": Kind(
        "mp4", "V.mp4", made.video("V.mp4", sound=made.SOUND, sound_rate=8000), _watched("V.mp4"), runs=1
    ),
    "mkv": Kind("mkv", "V.mkv", made.video("V.mkv"), _watched("V.mkv"), runs=1),
    "avi": Kind("avi", "V.avi", made.video("V.avi", codec="mjpeg", pix_fmt="yuvj420p"), _watched("V.avi"), runs=1),
    "webm": Kind("webm", "V.webm", made.video("V.webm", codec="libvpx"), _watched("V.webm"), runs=1),
    "sound alone": Kind("wav", "V.mp4", named("V.mp4", made.sound_alone), _watched("V.mp4"), runs=1, statuses=(2,)),
}
