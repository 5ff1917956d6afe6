"""Members trained one a job, beside a registry that jobs only read, and collected afterwards."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from attribution.denoisers.pixels import PixelUNet
from attribution.ensemble.recipe import EnsembleSettings, TrainingSettings
from attribution.images import ImageSettings
from attribution.training.finished import CollectedMember, collect_members, other_versions
from attribution.training.jobs import train_apart
from attribution.training.lifecycle import retrain_ensemble, train_ensemble
from attribution.training.loop import steps_done
from attribution.training.member import checkpoint_name
from registry.errors import InputError, LockedRegistryError, NotFoundError, ReadOnlyRegistryError, UsageError
from registry.home import Home
from registry.ingest.owners.table import OwnerTable
from registry.ingest.registration import register_folder
from registry.members.manifest import Manifest
from registry.members.register import member_id
from registry.members.serving import service_status
from registry.storage.database import Registry
from registry.withdrawals.record import withdraw
from tests.attribution.conftest import CPU, NOW, encode_written_works, prepare_ensemble
from tests.support.killing import killed_after
from tests.support.works import write_csv, write_pictures

N = 4
SETTINGS = EnsembleSettings(
    image=ImageSettings(size=8),
    network=PixelUNet(size=8, widths=(4,), groups=2),
    training=TrainingSettings(steps=8, batch_size=2),
)
_HOLD = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
time.sleep(600)
"""
_COLLECT = """
import sys, time
from pathlib import Path
from attribution.training.finished import collect_members
from registry.home import Home
from registry.storage.database import Registry
for found in collect_members(Registry.open(Home(Path(sys.argv[1]))), sys.argv[2]):
    print(found.index, flush=True)
    time.sleep(1.0)
"""


@pytest.fixture(scope="module")
def planned_home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A home with an ensemble of four that nobody trained yet, and the ensemble's id."""
    root = tmp_path_factory.mktemp("planned")
    registry, encoding_id = encode_written_works(root, count=6, n=N, h=2)
    return root / "home", prepare_ensemble(registry, encoding_id, SETTINGS)


@pytest.fixture
def planned(planned_home: tuple[Path, str], tmp_path: Path) -> tuple[Registry, str]:
    """A copy of it, and the ensemble's id."""
    shutil.copytree(planned_home[0], tmp_path / "home")
    return Registry.open(Home(tmp_path / "home")), planned_home[1]


def job(registry: Registry, ensemble_id: str, index: int, out: Path | None = None) -> Path:
    """One job, as the command line runs it."""
    return train_apart(registry.for_reading(), ensemble_id, index, CPU, None if out is None else Home(out))


def states(found: Iterator[CollectedMember]) -> list[str]:
    return [each.state for each in found]


@contextmanager
def training_elsewhere(home: Home, key: str) -> Iterator[None]:
    """Another process holds the lock of a member."""
    lock = home.locks / f"member-{key}.lock"
    lock.parent.mkdir(exist_ok=True)
    with subprocess.Popen([sys.executable, "-c", _HOLD, lock], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


@pytest.mark.slow
def test_jobs_give_the_members_that_one_training_gives(planned: tuple[Registry, str], tmp_path: Path) -> None:
    """The same weights and manifests, in the home or in another folder; members count once."""
    registry, ensemble_id = planned
    shutil.copytree(registry.home.root, tmp_path / "whole")
    whole = list(train_ensemble(Registry.open(Home(tmp_path / "whole")), ensemble_id, CPU))
    before = registry.home.database.read_bytes()
    for index in (2, 0):
        assert job(registry, ensemble_id, index) == registry.home.member(member_id(ensemble_id, index))
    for index in (1, 3):
        job(registry, ensemble_id, index, tmp_path / "scratch")
    assert registry.home.database.read_bytes() == before, "a job writes no registry"
    with pytest.raises(InputError, match="is no folder"):
        list(collect_members(registry, ensemble_id, [tmp_path / "nowhere"]))
    found = list(collect_members(registry, ensemble_id, [tmp_path / "scratch"]))
    members = [each.member for each in found if each.member is not None]
    assert [member.weights_sha256 for member in members] == [member.weights_sha256 for member in whole]
    assert [member.origin for member in members] == ["trained", "imported", "trained", "imported"]
    for got, expected in zip(members, whole, strict=True):
        manifests = [Manifest.model_validate(each.manifest, strict=False) for each in (got, expected)]
        assert len({each.model_copy(update={"created_at": NOW}).sha256 for each in manifests}) == 1
    assert states(collect_members(registry, ensemble_id, [tmp_path / "scratch"])) == ["registered before"] * N
    assert other_versions(members) == {}
    odd = members[1].model_copy(update={"manifest": {**members[1].manifest, "versions": {"torch": "0.1"}}})
    assert other_versions([members[0], odd, *members[2:]])[1]["torch"] == "0.1"
    # A job of a registered member has nothing to do.
    assert job(registry, ensemble_id, 2).is_dir()
    assert list(train_ensemble(registry, ensemble_id, CPU)) == []


@pytest.mark.slow
def test_what_is_missing_or_differs_is_named_and_the_rest_registered(planned: tuple[Registry, str]) -> None:
    """Altered weights, a manifest of another recipe, a job at work, a job that was killed."""
    registry, ensemble_id = planned
    home, keys = registry.home, [member_id(ensemble_id, index) for index in range(N)]
    folders = [job(registry, ensemble_id, index) for index in (0, 1)]
    weights = folders[0] / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    document = json.loads((folders[1] / "manifest.json").read_bytes())
    document["settings"]["training"]["steps"] = 9
    (folders[1] / "manifest.json").write_bytes(json.dumps(document).encode())

    def stop(_steps: int) -> None:
        if steps_done(home.member(keys[3]).with_name(checkpoint_name(keys[3]))):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_apart(registry.for_reading(), ensemble_id, 3, CPU, on_progress=stop, checkpoint_seconds=0.0)
    with training_elsewhere(home, keys[2]):
        altered, differing, busy, killed = collect_members(registry, ensemble_id)
        with pytest.raises(LockedRegistryError, match=f"member {keys[2]} is being trained by another process"):
            list(train_ensemble(registry, ensemble_id, CPU))
        with pytest.raises(LockedRegistryError):
            job(registry, ensemble_id, 2)
    assert (altered.state, differing.state, busy.state, killed.state) == (
        "refused",
        "refused",
        "in training",
        "missing",
    )
    assert "diffusion_pytorch_model.safetensors was altered" in altered.why
    assert "settings.training.steps 9, the ensemble's is 8" in differing.why
    assert "at step 1 of 8" in killed.why
    for folder in folders:
        shutil.rmtree(folder)
    for index in range(N):
        job(registry, ensemble_id, index)
    assert states(collect_members(registry, ensemble_id)) == ["registered"] * N
    assert not list(home.member(keys[0]).parent.glob(".*")), "checkpoints and partial files are gone"


def test_jobs_without_a_plan_are_refused(planned: tuple[Registry, str], tmp_path: Path) -> None:
    """Each message names the command that helps."""
    registry, ensemble_id = planned
    with pytest.raises(UsageError, match="got member 4, expected 0 to 3"):
        job(registry, ensemble_id, N)
    with pytest.raises(NotFoundError, match="no ensemble"):
        job(registry, "f" * 12, 0)
    with pytest.raises(ReadOnlyRegistryError):
        list(collect_members(registry.for_reading(), ensemble_id))
    withdraw(registry, rightsholder_id=0, reason="request", now=NOW)
    # One more work of the rightsholder: no withdrawal on record covers it.
    more = write_pictures(tmp_path / "more", ["later.png"])
    rows = [{"path": "later.png", "rightsholder": "House 0"}]
    register_folder(registry, more, OwnerTable(write_csv(tmp_path / "more.csv", rows)), now=NOW)
    with pytest.raises(ReadOnlyRegistryError, match="--plan-only"):
        job(registry, ensemble_id, 1)
    shutil.rmtree(registry.home.training(ensemble_id))
    with pytest.raises(NotFoundError, match="--plan-only"):
        job(registry, ensemble_id, 1)


@pytest.mark.slow
def test_a_job_trains_a_member_without_works_that_were_withdrawn(planned: tuple[Registry, str], tmp_path: Path) -> None:
    """The next generation is the one that retraining gives; members in service stay."""
    registry, ensemble_id = planned
    list(train_ensemble(registry, ensemble_id, CPU))
    withdraw(registry, asset_ids=[0], reason="request", now=NOW)
    out = {member.index for member in service_status(registry, ensemble_id).out_of_service}
    assert out
    assert out != set(range(N))
    before = list(collect_members(registry, ensemble_id))
    assert {each.index for each in before if "out of service" in each.why} == out
    shutil.copytree(registry.home.root, tmp_path / "whole")
    whole = list(retrain_ensemble(Registry.open(Home(tmp_path / "whole")), ensemble_id, CPU))
    for index in range(N):
        assert job(registry, ensemble_id, index).name == member_id(ensemble_id, index, 2 if index in out else 1)
    found = [each for each in collect_members(registry, ensemble_id) if each.state == "registered"]
    assert {each.index for each in found} == out
    expected = {member.index: member.weights_sha256 for member in whole}
    assert {each.index: each.member.weights_sha256 for each in found if each.member} == expected
    assert len(service_status(registry, ensemble_id).serving) == N


@pytest.mark.slow
@pytest.mark.reopens
def test_a_collection_may_be_killed(planned: tuple[Registry, str]) -> None:
    """It is killed after each member in turn, and the next one goes on."""
    registry, ensemble_id = planned
    for index in range(N):
        job(registry, ensemble_id, index)
    killed_after(1, _COLLECT, registry.home.root, ensemble_id)
    killed_after(3, _COLLECT, registry.home.root, ensemble_id)
    found = states(collect_members(registry, ensemble_id))
    assert found[:3] == ["registered before"] * 3
    assert found[3] in ("registered", "registered before")
