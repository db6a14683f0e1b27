"""Another package adds a world and a policy; populace finds them by entry points alone."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import populace

EXTENSION = Path(__file__).parent / "extension_package"


def install(package: Path, target: Path, name: str | None = None) -> Path:
    """Put a package where an installer would: its modules, and its entry points as metadata."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    shutil.copytree(package / "src", target, dirs_exist_ok=True)
    info = target / f"{(name or project['name']).replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: {name or project['name']}\n"
    (info / "METADATA").write_text(f"{head}Version: {project['version']}\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return target


@pytest.fixture
def site(tmp_path):
    return install(EXTENSION, tmp_path / "site")


def python(site: Path, *arguments: str, at: Path | None = None) -> subprocess.CompletedProcess:
    """Run Python in which the extension is installed beside this populace."""
    here = str(Path(populace.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), here])}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=at,
        check=False,
    )


SCRIPT = """
import json, sys
from populace import Cast, Simulation
from populace.kernel.parameters import parameters
from populace.kernel.registry import load, registered
world, policy = load("world", "elfarol"), load("policy", "regular")
run = Simulation(world(people=500), Cast({"regular": policy(p=0.25)}), seed=3).run(4)
print(json.dumps({
    "worlds": list(registered("world")), "policies": list(registered("policy")),
    "parameters": {name: [p.doc, p.default] for name, p in parameters(world).items()},
    "attendance": run.metrics["attendance"].to_list(),
}))
"""


def test_a_world_and_a_policy_of_another_package_are_found_and_run(site):
    done = python(site, "-c", SCRIPT)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "elfarol" in found["worlds"]
    assert "regular" in found["policies"]
    assert found["parameters"]["people"] == ["who live in town", 100]
    # each of 4 evenings is binomial(500, 0.25): within 6 standard deviations of 0.25
    assert all(abs(share - 0.25) < 6 * (0.25 * 0.75 / 500) ** 0.5 for share in found["attendance"])
    assert len(set(found["attendance"])) > 1


def test_the_extension_passes_the_conformance_suite(site):
    check = (
        "from populace.testing import check_world, check_policy;"
        "from populace_elfarol import ElFarol, Regular;"
        "check_world(ElFarol, ticks=3, seeds=[0]).raise_if_failed();"
        "check_policy(Regular, world=ElFarol, ticks=3, seeds=[0]).raise_if_failed()"
    )
    done = python(site, "-c", check)
    assert done.returncode == 0, done.stderr


def test_one_name_of_two_packages_is_refused(site, tmp_path):
    other = shutil.copytree(EXTENSION, tmp_path / "other")
    file = other / "pyproject.toml"
    file.write_text(file.read_text().replace("populace_elfarol:Regular", "populace_elfarol:Other"))
    install(other, site, name="another-elfarol")
    done = python(site, "-c", "from populace.kernel.registry import load; load('policy','regular')")
    assert done.returncode != 0
    assert "RegistryError: two packages register the policy 'regular'" in done.stderr
    assert "uninstall one" in done.stderr


def test_a_broken_entry_point_is_a_typed_error(tmp_path):
    other = shutil.copytree(EXTENSION, tmp_path / "other")
    file = other / "pyproject.toml"
    file.write_text(file.read_text().replace("populace_elfarol:ElFarol", "populace_elfarol:Gone"))
    site = install(other, tmp_path / "site")
    done = python(site, "-c", "from populace.kernel.registry import load; load('world','elfarol')")
    assert "RegistryError: world 'elfarol'" in done.stderr
    assert "cannot be imported" in done.stderr


CLI = "populace"


def test_the_command_line_lists_and_runs_it(site, tmp_path):
    listed = python(site, "-m", CLI, "list", at=tmp_path)
    assert listed.returncode == 0, listed.stderr
    for word in ("elfarol", "regular", "who live in town", "probability of going"):
        assert word in " ".join(listed.stdout.split())
    run = python(
        site, "-m", CLI, "run", "elfarol", "--set", "people=50", "--cast", "regular=1",
        "--ticks", "3", "--seed", "2", "--to", "out", "--quiet", at=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["status"] == "finished"
    assert manifest["world"]["parameters"]["people"] == 50
    wrong = python(site, "-m", CLI, "run", "elfarol", "--set", "peeple=50", at=tmp_path)
    assert wrong.returncode != 0
    assert "did you mean 'people'" in wrong.stderr
