"""`python -m handler.jobs run prompts.jsonl`: batch inference of a local file."""

import os
import sys

from handler.starting import nothing_collected


def main() -> None:
    """Run a file with the settings of the environment; what keeps it from running is one line and exit code 1."""
    try:
        _tell(_run())
    except KeyboardInterrupt:
        sys.stderr.write("stopped: the same command goes on from here\n")
        # Not SystemExit: where Ctrl-C meets an `exec` of source, of which imports are full, Python would end by the signal.
        os._exit(130)  # 128 and the number of SIGINT, as shells count


def _run() -> str:
    from handler.jobs.arguments import arguments  # noqa: PLC0415 - all imports are here, where Ctrl-C finds them

    given = arguments()
    with nothing_collected():
        from handler.jobs.file_run import FileRun  # noqa: PLC0415 - these take most of a second, and --help needs none of them
        from handler.jobs.partial_file import RunRefusedError  # noqa: PLC0415
        from handler.settings import Settings  # noqa: PLC0415
        from model_layer.errors import ModelLayerError  # noqa: PLC0415
    settings = Settings.or_exit()
    if given.model is not None:
        settings = settings.model_copy(update={"model": given.model})
    run = FileRun(
        source=given.source,
        out=given.out or given.source.parent / f"{given.source.stem}.results.jsonl",
        seed=given.seed,
        at_once=given.at_once,
        restart=given.restart,
        quiet=given.quiet,
    )
    try:
        return f"{run.run(settings).summary()}\n{run.out}"
    except OSError as error:
        raise SystemExit(": ".join(str(part) for part in (error.filename, error.strerror or error) if part)) from None
    except (RunRefusedError, ModelLayerError) as error:
        raise SystemExit(str(error)) from None


def _tell(summary: str) -> None:
    """Write it past Python's buffer, which would be written again, and fail again, at the end of the process."""
    try:
        os.write(sys.stdout.fileno(), os.fsencode(f"{summary}\n"))
    except BrokenPipeError:
        pass  # nobody reads it, and the results are there all the same
    except OSError as error:
        raise SystemExit(f"standard output: {error.strerror}") from None


if __name__ == "__main__":
    main()
