"""Words that a shell can complete; where there are none it offers files."""

from __future__ import annotations

from collections.abc import Callable
from glob import glob
from typing import Any

VARIABLE = "_EMCLI_COMPLETE"  # a shell sets it to ask for completions instead of work

Complete = Callable[..., list[str]]


def values(metavar: str) -> Complete | None:
    """The values of an option whose metavar lists them with bars; compare takes several with commas."""
    if "|" not in metavar:
        return None
    words = metavar.split("|")

    def complete(incomplete: str) -> list[str]:
        given, comma, _ = incomplete.rpartition(",")
        taken = given.split(",")
        return [given + comma + word for word in words if word not in taken]

    return complete


def models(metavar: str) -> Complete | None:
    """Models, and experiments here, for a first word that can be either; later words are files."""
    if not metavar.startswith("MODEL"):
        return None

    def complete(ctx: Any, incomplete: str) -> list[str]:
        from emcli.models import MODELS

        if any(ctx.params.get(key) for key in ("model", "words")):
            return []
        found = [name for name in MODELS if name.startswith(incomplete)]
        return [*found, *(sorted(glob("*.yaml")) if not incomplete else [])]

    return complete
