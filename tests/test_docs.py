"""The README and the docs: their commands exist, their links lead somewhere, and the API page is complete."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml
from helpers.written_commands import ROOT, code_blocks, commands, pages

import sspvs
from sspvs.cli import main
from sspvs.evaluation.published import published_results

CONFIGURED = {"fit", "validate", "test", "predict"}  # their options are those of the classes in the config
GROUPS = {"data"}
PLACEHOLDERS = {"ROW", "NAME", "C"}


def sspvs_commands() -> list[tuple[str, list[str]]]:
    """(page, words after `sspvs`) of every command in a bash block."""
    found = []
    for page, text in pages().items():
        for block in code_blocks(text, "bash"):
            if block.startswith("#!"):  # a batch script
                continue
            for words in commands(block):
                starts = [number for number, word in enumerate(words) if word == "sspvs"]
                found += [(page, words[start + 1 :]) for start in starts if len(words) > start + 1]
    return [
        (page, words) for page, words in found if words[0] not in {"&&", "--print-completion"} and "/" not in words[0]
    ]


def verb_of(words: list[str]) -> tuple[str, ...]:
    return tuple(words[: 2 if words[0] in GROUPS else 1])


VERBS = sorted({verb_of(words) for _, words in sspvs_commands()})


def help_text(verb: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> str:
    try:
        status = main([*verb, "--help"])
    except SystemExit as stop:
        status = int(stop.code or 0)
    assert status == 0, verb
    return capsys.readouterr().out


def test_all_verbs_are_documented(capsys: pytest.CaptureFixture[str]) -> None:
    verbs = re.findall(r"^  ([a-z]+)  ", help_text((), capsys), re.MULTILINE)
    assert len(verbs) > 10
    text = "\n".join(pages().values())
    for verb in verbs:
        assert re.search(rf"`(sspvs )?{verb}`|sspvs {verb}", text), verb


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb[0] not in CONFIGURED], ids=" ".join)
def test_options_of_documented_commands_exist(verb: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    options = set(re.findall(r"--[a-z][a-z0-9-]*", help_text(verb, capsys)))
    for page, words in sspvs_commands():
        if verb_of(words) == verb:
            used = {word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)}
            unknown = {option for option in used - options if "." not in option}  # --data.dataset is the config's
            assert not unknown, f"{page}: sspvs {' '.join(words)}"


def test_configs_that_are_named_exist() -> None:
    named = {(page, path) for page, text in pages().items() for path in re.findall(r"configs/\w+/[\w]+\.yaml", text)}
    assert len(named) > 10
    for page, path in named:
        assert Path(path).stem in PLACEHOLDERS or (ROOT / path).is_file(), f"{page}: {path}"


def test_every_config_is_described() -> None:
    """A row of the table each, by name or by the pattern `{summe,tvsum}_canonical.yaml`, `..._augmented.yaml`."""
    page = pages()["docs/reference/configs.md"]
    for path in (ROOT / "configs").glob("*/*.yaml"):
        name = path.name
        ending = re.sub(r"^(summe|tvsum)_", "", name)
        assert f"`{path.parent.name}/{name}`" in page or f"`{name}`" in page or f"_{ending}`" in page, name


@pytest.mark.parametrize("page", sorted(pages()))
def test_relative_links_lead_somewhere(page: str) -> None:
    """Files exist and have the heading. (`mkdocs build --strict` checks those within docs/ too.)"""
    text = re.sub(r"^```.*?^```", "", pages()[page], flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / page).parent / path if path else ROOT / page
        assert there.exists(), f"{page}: {target}"
        if anchor and not anchor.startswith("sspvs."):
            titles = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}
            assert anchor in slugs, f"{page}: {target}"


@pytest.mark.parametrize("page", [page for page, text in pages().items() if code_blocks(text, "python")])
def test_python_blocks_are_python(page: str) -> None:
    for block in code_blocks(pages()[page], "python"):
        tree = ast.parse(block)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sspvs":
                assert node.attr in sspvs.__all__, f"{page}: sspvs.{node.attr}"


def test_the_readme_keeps_its_two_commands() -> None:
    readme = pages()["README.md"]
    assert "pip install -e . && sspvs demo" in readme
    assert 'pip install -e ".[dev]" && pytest' in readme


def test_the_api_page_has_every_public_name() -> None:
    page = pages()["docs/reference/api.md"]
    listed = re.findall(r"^::: sspvs\.(\w+)$", page, re.MULTILINE)
    assert sorted(listed) == sorted(set(sspvs.__all__) - {"__version__"}), (
        "docs/reference/api.md: one `::: sspvs.NAME` each"
    )


def test_the_site_has_every_page() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    in_site = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert in_site == set(re.findall(r"[\w/-]+\.md", text))


@pytest.mark.parametrize(
    "path", [*ROOT.glob(".github/**/*.yml"), ROOT / ".pre-commit-config.yaml", ROOT / "CITATION.cff"]
)
def test_yaml_of_the_repository_is_valid(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


def test_the_guide_to_published_rows_has_the_published_figures() -> None:
    """Method, dataset, setting and config of each row, and its figures as `published.json` has them."""
    text = pages()["docs/guides/import.md"].split("| published row |")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]
    assert len(rows) == 10
    for name, config, _, figures in rows:
        method, where = name.split(", ")
        dataset, setting = where.lower().split()
        assert config.startswith(f"`{dataset}_")
        known = [
            row
            for row in published_results(dataset, setting=setting)
            if (row.method, row.checkpoint_rule) == (method, "best-test")
        ]
        if not known:
            assert figures == "no figure known here", name
            continue
        (row,) = known
        given = [float(number) for number in re.findall(r"\.\d{3}|\d\d\.\d", figures)]
        percent = None if row.f_score is None else round(100 * row.f_score, 1)
        assert given == [one for one in (row.kendall_tau, row.spearman_rho, percent) if one is not None], name
