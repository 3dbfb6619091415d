"""The command `schema`: JSON Schemas of what emcli writes and of the experiments that it reads."""

from __future__ import annotations

import sys
from typing import get_args, get_type_hints

from emcli.cli import options
from emcli.errors import Exit


def schema(of: options.Described, debug: options.Debug = None) -> int:
    """Print a JSON Schema: of the JSON that fit, compare or steps writes, or of an experiment.

    Examples:
      emcli schema fit
      emcli schema experiment > experiment.schema.json

    An editor that knows the schema of experiments completes and checks them while they are typed.
    """
    import json

    from emcli.config.documents.schema import document_schema, experiment_schema
    from emcli.models import MODELS

    printed = experiment_schema(tuple(MODELS), meanings()) if of == "experiment" else document_schema(of)
    sys.stdout.write(json.dumps(printed, indent=2, ensure_ascii=False) + "\n")
    return Exit.DONE


def meanings() -> dict[str, str]:
    """What each option of `fit` does, by the key that an experiment has for it."""
    from emcli.cli.fit import fit

    declared = {key: get_args(hint) for key, hint in get_type_hints(fit, include_extras=True).items()}
    return {key: str(parts[1].help) for key, parts in declared.items() if parts}
