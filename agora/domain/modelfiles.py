"""Modelfiles: what Ollama is told of a model of one's own."""

import re


def modelfile(base: str, adapter: str, system: str = "", context: int | None = None) -> str:
    """Return the Modelfile of a base model with an adapter trained for it.

    `base` is a model that Ollama has, the very one that was trained; `adapter` the folder of the
    adapter, relative to the Modelfile. https://github.com/ollama/ollama/blob/main/docs/modelfile.md
    """
    for said in (base, adapter):
        if not said or re.search(r"\s", said):
            raise ValueError(f"{said!r} cannot stand in a Modelfile")
    lines = [f"FROM {base}", f"ADAPTER {adapter}", "PARAMETER temperature 0"]
    if context is not None:
        lines.append(f"PARAMETER num_ctx {context}")
    if system:
        quoted = system.replace('"""', "'''")
        lines.append(f'SYSTEM """{quoted}"""')
    return "\n".join(lines) + "\n"
