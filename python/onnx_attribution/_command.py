"""Starts the command onnx-attribution, and hands on what it says while it works."""

import json
import os
import shutil
import subprocess
import sys
import threading

try:
    import pty
except ImportError:  # Windows has no pseudo-terminals: the command then shows no progress
    pty = None

VARIABLE = "ONNX_ATTRIBUTION"
OWN = "onnx-attribution: "  # begins the line that says why the command refused or failed


class AttributionError(RuntimeError):
    """The command refused or failed. The message is its one line, and `code` its exit code."""

    def __init__(self, message, code):
        super().__init__(message)
        self.code = code


def program():
    """The command's words: those in the variable ONNX_ATTRIBUTION, or onnx-attribution on the path."""
    if os.environ.get(VARIABLE):
        import shlex
        return shlex.split(os.environ[VARIABLE])
    found = shutil.which("onnx-attribution")
    if found is None:
        raise AttributionError(
            f"onnx-attribution is not on the path; install it, or set {VARIABLE} to the command that starts it", 127)
    return [found]


def words(positional, options):
    """A command line's words: top_edges=5 becomes --top-edges 5, force=True --force, and what is None or False is left out.

    Values are joined to their options by =, so that a prompt may begin with a hyphen."""
    result = []
    for name, value in options.items():
        option = "--" + name.rstrip("_").replace("_", "-")
        if value is None or value is False:
            continue
        result.append(option if value is True else f"{option}={_text(value)}")
    return result + [_text(word) for word in positional]


def call(verb, *positional, progress="auto", **options):
    """Runs a verb and returns what it prints. Raises AttributionError with the command's own line where it fails.

    progress: a function that gets each step as a text; "auto" writes them to stderr, on one line; None shows nothing."""
    return _run(program() + [*verb.split(), *words(positional, options)], _shower(progress))


def call_json(verb, *positional, **options):
    """Runs a verb with --json and returns what it prints as an object."""
    return json.loads(call(verb, *positional, json=True, **options))


def _text(value):
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def _shower(progress):
    if progress != "auto":
        return progress
    return lambda step: (sys.stderr.write("\r\x1b[K" + step), sys.stderr.flush())


def _run(command, show):
    terminal, end = pty.openpty() if show is not None and pty is not None else (None, None)
    errors = []
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE if end is None else end)
    except OSError as fault:
        for handle in (terminal, end):
            if handle is not None:
                os.close(handle)
        raise AttributionError(f"{command[0]} cannot be started: {fault.strerror}", 127) from fault
    if end is not None:
        os.close(end)
    source = (lambda: _read(terminal)) if terminal is not None else (lambda: process.stderr.read1(4096))
    reader = threading.Thread(target=_listen, args=(source, show, errors), daemon=True)
    reader.start()
    try:
        output = process.stdout.read().decode("utf-8")
        code = process.wait()
    except BaseException:  # Ctrl-C in a notebook: the command ends too, and leaves nothing half written
        process.terminate()
        process.wait()
        raise
    finally:
        reader.join()
        if terminal is not None:
            os.close(terminal)
    if show is not None:
        show("")
    if code != 0:
        lines = [line for line in errors if line.startswith(OWN)] or errors
        raise AttributionError(lines[-1].removeprefix(OWN) if lines else f"exit code {code}", code)
    return output


def _read(terminal):
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other end is shut: all has been said
        return b""


def _listen(source, show, errors):
    """Parts the command's words into steps, each of which replaces the one before, and lines, which stay."""
    rest = ""
    while data := source():
        rest += data.decode("utf-8", "replace")
        while "\n" in rest:
            line, rest = rest.split("\n", 1)
            _keep(line.split("\r\x1b[K")[-1].strip("\r"), show, errors)
        if show is not None and "\x1b[K" in rest:
            step = rest.split("\x1b[K")[-1]
            if step.endswith("…"):
                show(step)
    _keep(rest.split("\x1b[K")[-1], show, errors)


def _keep(line, show, errors):
    if not line.strip():
        return
    errors.append(line)
    if show is not None and not line.startswith(OWN):
        show(line + "\n")
