"""The peers' virtual environments, `.peers/<name>`, made on demand from `benchmarks/peers/<name>.txt`.

None is a dependency of the project. A peer that cannot be installed is remembered with the reason until its requirements
change or its folder is removed.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
REQUIREMENTS = Path(__file__).parent / "peers"
ENVIRONMENTS = REPOSITORY / ".peers"
INSTALL_TIMEOUT_S = 1800  # llama.cpp is compiled


class NotHereError(Exception):
    """Raise when an engine cannot be measured on this machine; the message is the reason, in one line."""


def interpreter(peer: str | None) -> Path:
    """The Python of a peer, installed if need be; this project's own without a name. Raises NotHereError."""
    if peer is None:
        return Path(sys.executable)
    folder, wanted = ENVIRONMENTS / peer, (REQUIREMENTS / f"{peer}.txt").read_text(encoding="utf-8")
    installed, failed = folder / "installed.txt", folder / "failed.txt"
    if _says(failed, wanted):
        raise NotHereError(failed.read_text(encoding="utf-8").removeprefix(wanted).strip())
    if not _says(installed, wanted):
        reason = _install(folder, REQUIREMENTS / f"{peer}.txt")
        (failed if reason else installed).write_text(wanted + reason, encoding="utf-8")
        if reason:
            raise NotHereError(reason)
    return folder / "bin" / "python"


def packages(python: Path) -> Path:
    """The folder of installed packages of an environment's interpreter."""
    if python == Path(sys.executable):
        return Path(sysconfig.get_path("purelib"))
    return next((python.parents[1] / "lib").glob("python*")) / "site-packages"


def last_line(text: str) -> str:
    """The last line that says something, cut to the length of a table's cell."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it stopped without a word"


def _says(file: Path, wanted: str) -> bool:
    return file.is_file() and file.read_text(encoding="utf-8").startswith(wanted)


def _install(folder: Path, requirements: Path) -> str:
    """Make the environment anew; the reason when that fails, else nothing."""
    print(f"installing {requirements.name} into .peers/{folder.name}")
    shutil.rmtree(folder, ignore_errors=True)
    commands = [
        [sys.executable, "-m", "venv", str(folder)],
        [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q", "install", "-r", str(requirements)],
    ]
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return "its installation took too long"
        if done.returncode != 0:
            folder.mkdir(parents=True, exist_ok=True)
            return f"not installed: {last_line(done.stderr)}"
    return ""
