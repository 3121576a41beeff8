"""The file system and the user that Lambda gives a function, without a container: a root of its own, in namespaces of its own.

As root, on Linux: a new root folder holds this machine's programs and libraries, the packages in /opt/python, the models in
/opt/models and the code in /var/task, all read-only; /tmp is the environment's own; there is no /dev/shm and no home; the
user is 993. Everything is made in the mount namespace of the emulation and goes with it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = ("/usr", "/bin", "/lib", "/lib64", "/sbin", "/etc")
DEVICES = ("null", "random", "urandom", "zero")
CLIENT = ("awslambdaric", "simplejson", "snapshot_restore_py", "runtime_client*.so")
USER, GROUP = 993, 990
EMULATOR = "/var/rapid/aws-lambda-rie"
PATHS = {"PATH": "/usr/bin:/bin", "PYTHONPATH": "/opt/python:/var/task:/var/runtime", "LAMBDA_TASK_ROOT": "/var/task"}


@dataclass(frozen=True, slots=True)
class Installed:
    """Where things are on this machine: the interpreter of `.venv`, its packages, the SAM command's packages, the models."""

    interpreter: Path
    packages: Path
    sam_packages: Path
    models: Path | None

    @property
    def emulator(self) -> Path:
        """The runtime emulator for this processor."""
        machine = {"aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
        return self.sam_packages / "samcli" / "local" / "rapid" / f"aws-lambda-rie-{machine}"

    def client(self) -> list[Path]:
        """The files of the runtime client and of what it imports."""
        return [path for pattern in CLIENT for path in self.sam_packages.glob(pattern)]


@dataclass(frozen=True, slots=True)
class Confined:
    """A root folder as described above."""

    root: Path
    interpreter: str

    def command(self, emulator_arguments: Sequence[str], runtime: Sequence[str]) -> list[str]:
        """Run the emulator and the runtime under it as Lambda's user, with a /tmp of its own."""
        private_tmp = f'mount -t tmpfs -o mode=1777 tmpfs {self.root}/tmp && exec "$@"'
        chroot = shutil.which("chroot") or "chroot"  # the environment's own PATH does not lead to it
        entered = [chroot, f"--userspec={USER}:{GROUP}", f"--groups={GROUP}", str(self.root)]
        program = [EMULATOR, *emulator_arguments, self.interpreter, *runtime]
        return ["unshare", "--mount", "--", "sh", "-c", private_tmp, "sh", *entered, *program]

    def variables(self) -> dict[str, str]:
        """Where programs and modules are, within the root; no HOME."""
        return dict(PATHS)


@dataclass(frozen=True, slots=True)
class Unconfined:
    """The machine as it is, for those who are not root: the runtime client and the emulator, and nothing forbidden."""

    installed: Installed

    def command(self, emulator_arguments: Sequence[str], runtime: Sequence[str]) -> list[str]:
        """Run the emulator and the runtime under it as this user."""
        return [str(self.installed.emulator), *emulator_arguments, str(self.installed.interpreter), *runtime]

    def variables(self) -> dict[str, str]:
        """The same modules, where they are; the client's package is linked into a folder that holds nothing else."""
        client = Path(tempfile.gettempdir()) / f"runtime-client-{os.getuid()}"
        client.mkdir(exist_ok=True)
        for path in self.installed.client():
            link = client / path.name
            if not link.exists():
                link.symlink_to(path)
        paths = {"PYTHONPATH": os.pathsep.join([str(self.installed.packages), str(ROOT), str(client)])}
        models = {} if self.installed.models is None else {"MODELS_FOLDERS": str(self.installed.models)}
        return {"PATH": os.environ["PATH"], **paths, **models}


def confined(installed: Installed) -> Confined:
    """Make the root folder. Call it in a mount namespace of its own, as root."""
    root = Path(tempfile.mkdtemp(prefix="lambda-root-"))
    _mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", root)
    for source, target in _places(installed):
        _bind(source, root / target.lstrip("/"))
    for name in ("tmp", "proc"):
        (root / name).mkdir()
    _mount("-t", "proc", "proc", root / "proc")
    _mount("-o", "remount,ro", root)
    return Confined(root, str(Path(sys.base_prefix) / "bin" / installed.interpreter.resolve().name))


def _places(installed: Installed) -> Iterator[tuple[Path, str]]:
    """What is seen in the root, and where."""
    yield from ((Path(name), name) for name in PROGRAMS if Path(name).exists())
    yield from ((Path("/dev", name), f"/dev/{name}") for name in DEVICES)
    yield Path(sys.base_prefix), sys.base_prefix
    yield installed.packages, "/opt/python"
    yield from ((ROOT / name, f"/var/task/{name}") for name in ("handler", "model_layer"))
    yield from ((path, f"/var/runtime/{path.name}") for path in installed.client())
    yield installed.emulator, EMULATOR
    if installed.models is not None:
        yield installed.models, "/opt/models"


def _bind(source: Path, target: Path) -> None:
    """Show a file or folder at another place, read-only; a link to a folder is a link there too."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink() and source.is_dir():
        target.symlink_to(source.readlink())
        return
    if source.is_dir():
        target.mkdir(exist_ok=True)
    else:
        target.touch()
    _mount("--bind", source, target)
    if not str(source).startswith("/dev/"):
        _mount("-o", "remount,bind,ro", target)


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


def can_confine() -> bool:
    """Whether this process may make such a root."""
    return sys.platform == "linux" and os.geteuid() == 0 and all(map(shutil.which, ("unshare", "mount", "chroot")))


def environment(place: Confined | Unconfined, given: Mapping[str, str]) -> dict[str, str]:
    """All variables of an execution environment: nothing of this process's own."""
    return {**place.variables(), "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8", **given}
