"""What tests do to a process from within: raise a signal at an import, or forbid sockets and subprocesses."""

import os
import sys

_AT, _NUMBER = (os.environ.get("EMCLI_TEST_SIGNAL") or "=0").split("=")


class _Signal:
    """Sends the signal when the module is about to be imported."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == _AT:
            sys.meta_path.remove(self)  # type: ignore[arg-type]
            os.kill(os.getpid(), int(_NUMBER))


if _AT:
    sys.meta_path.insert(0, _Signal())  # type: ignore[arg-type]

if os.environ.get("EMCLI_TEST_SEALED"):
    _FORBIDDEN = (
        "socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.spawn",
        "pickle.find_class", "urllib.Request", "http.", "ftplib.", "webbrowser.", "glob.glob", "ctypes.dlopen",
    )  # fmt: skip

    def _refuse(event: str, words: tuple[object, ...]) -> None:
        if event.startswith(_FORBIDDEN) and event not in ("socket.__new__", "ctypes.dlopen"):
            os.write(2, f"FORBIDDEN {event} {words}\n".encode())
            os._exit(99)

    sys.addaudithook(_refuse)
    import socket
    import subprocess

    def _raise(*words: object, **how: object) -> None:
        os.write(2, b"FORBIDDEN\n")
        os._exit(99)

    for _module, _names in ((subprocess, ("Popen", "run")), (socket, ("create_connection", "getaddrinfo"))):
        for _name in _names:
            setattr(_module, _name, _raise)
    socket.socket.__init__ = _raise  # type: ignore[method-assign, assignment]
