"""`python -m tests.image.stand_in`: an image laid out as AWS's Python base, made of this machine's own files.

For machines that cannot pull the base: pass its tag as BASE_IMAGE. It has this machine's Python, in /var/lang, a shell and
the few commands that the Dockerfile uses, the libraries that `ldd` names for them, the runtime client and the emulator.
"""

import io
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
SAM = ROOT / ".cache" / "sam"
TAG = "token-wheel-python:stand-in"
COMMANDS = ("sh", "chmod", "cp", "mkdir", "mv", "rm")  # mv is what `sam local` needs
CLIENT = ("awslambdaric", "simplejson", "snapshot_restore_py", "runtime_client*.so")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
LIBRARIES_OF_WHEELS = ("libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0", "libz.so.1")
# Tests, graphics, the links that are made anew, and whatever was installed into this Python but pip.
LEFT_OUT = re.compile(
    r"/(test|tests|idlelib|tkinter|lib2to3|turtledemo|share|include)(/|$)|\.a$|lang/bin/python3?$|lang/.*/site-packages/(?!pip)"
)
ENTRYPOINT = """#!/bin/sh
export _HANDLER="$1"
if [ -z "$AWS_LAMBDA_RUNTIME_API" ]; then
  exec /usr/local/bin/aws-lambda-rie --log-level error /var/runtime/bootstrap
fi
exec /var/runtime/bootstrap
"""
BOOTSTRAP = """#!/bin/sh
export PYTHONPATH="$PYTHONPATH:/var/runtime"
exec /var/lang/bin/python3 -m awslambdaric "$_HANDLER"
"""
PASSWD = "root:x:0:0:root:/root:/bin/sh\nsbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n"
SETTINGS = (
    "ENV PATH=/var/lang/bin:/usr/local/bin:/usr/bin:/bin",
    "ENV LD_LIBRARY_PATH=/var/lang/lib",  # as AWS's base has it
    "ENV LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime LANG=C.UTF-8",
    f"ENV PIP_CERT={CERTIFICATES}",
    "WORKDIR /var/task",
    'ENTRYPOINT ["/lambda-entrypoint.sh"]',
)


def main() -> None:
    """Make the image and print its tag."""
    changes = [argument for setting in SETTINGS for argument in ("-c", setting)]
    with subprocess.Popen(
        ["docker", "import", *changes, "-", TAG], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as importing:
        assert importing.stdin
        with tarfile.open(fileobj=importing.stdin, mode="w|", dereference=True) as tar:
            fill(tar)
    if importing.returncode:
        raise SystemExit("docker import failed")
    sys.stdout.write(f"{TAG}\n")


def fill(tar: tarfile.TarFile) -> None:
    """Write the whole tree."""
    lang = Path(sys.base_prefix)
    tar.add(lang, "var/lang", filter=_wanted)
    for name in ("python", "python3"):
        _link(tar, f"var/lang/bin/{name}", f"python3.{sys.version_info.minor}")
    packages = next((SAM / "lib").glob("python*")) / "site-packages"
    for pattern in CLIENT:
        for path in packages.glob(pattern):
            tar.add(path, f"var/runtime/{path.name}", filter=_wanted)
    emulator = packages / "samcli" / "local" / "rapid" / f"aws-lambda-rie-{_machine()}"
    tar.add(emulator, "usr/local/bin/aws-lambda-rie", filter=_executable)
    commands = [Path(found) for name in COMMANDS if (found := shutil.which(name))]
    for command in commands:
        tar.add(command.resolve(), f"bin/{command.name}", filter=_executable)
    for library in _libraries([*commands, *lang.glob("bin/python3.*[0-9]"), *lang.rglob("lib-dynload/*.so")]):
        tar.add(library, str(library).lstrip("/"), filter=_executable)
    tar.add(CERTIFICATES, str(CERTIFICATES).lstrip("/"), filter=_wanted)
    for name, text in {"lambda-entrypoint.sh": ENTRYPOINT, "var/runtime/bootstrap": BOOTSTRAP, "etc/passwd": PASSWD}.items():
        _write(tar, name, text)
    for folder, mode in {"tmp": 0o1777, "var/task": 0o755, "opt": 0o755, "root": 0o700}.items():
        _folder(tar, folder, mode)


def _libraries(programs: Iterable[Path]) -> list[Path]:
    """The files that the loader would open, each by the name that it looks for."""
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    found = set(re.findall(r"(?:=> |^\t)(/\S+) \(0x", listed, re.MULTILINE))
    cache = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    of_wheels = [re.search(rf"{re.escape(name)} .*=> (\S+)", cache) for name in LIBRARIES_OF_WHEELS]
    elsewhere = {Path(path) for path in found if not Path(path).is_relative_to(sys.base_prefix)}
    return sorted(elsewhere | {Path(match[1]) for match in of_wheels if match})


def _machine() -> str:
    return {"aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if LEFT_OUT.search(f"/{member.name}"):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode |= 0o755 if member.isdir() else 0o444
    return member


def _executable(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    member.mode |= 0o755
    return _wanted(member)


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    tar.addfile(member)


def _write(tar: tarfile.TarFile, name: str, text: str) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(text.encode()), 0o755
    tar.addfile(member, io.BytesIO(text.encode()))


def _folder(tar: tarfile.TarFile, name: str, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, mode
    tar.addfile(member)


if __name__ == "__main__":
    main()
