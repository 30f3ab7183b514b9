"""What a run may be told beside its task: wordings of experts' prompts, which Studio can edit."""

from typing import Any

from pydantic import BaseModel, Field, create_model

import prompts

ENDING = "_prompt"
SHOWN: Any = {"langgraph_nodes": ["execution"], "langgraph_type": "prompt"}
FIELDS: dict[str, Any] = {
    f"{one.name}{ENDING}": (
        str,
        Field(default=one.body, description=one.matter["description"], json_schema_extra=SHOWN),
    )
    for one in prompts.load_all("experts")
    if one.matter.get("bids", True)
}
Wordings: type[BaseModel] = create_model(
    "Wordings", __doc__="Prompts of the experts, for one run.", **FIELDS
)


def wanted(context: BaseModel | None) -> dict[str, str]:
    """Return the wordings that a run was told, by expert; what it was not told stays out."""
    told = context.model_dump(exclude_unset=True) if context is not None else {}
    return {name.removesuffix(ENDING): text for name, text in told.items()}
