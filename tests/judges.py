"""Scripts of models that compare questions; anything else they answer plainly."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

Says = Callable[[str, str], bool]


def comparing(is_same: Says, otherwise: str = "forty-two") -> Callable[[Sequence[Any]], str]:
    """Return a script that answers the prompts of judging by a rule of two questions."""

    def script(messages: Sequence[Any]) -> str:
        text = str(messages[-1]["content"])
        if found := re.search(r"<first>\n(.*)\n</first>.*<second>\n(.*)\n</second>", text, re.S):
            return json.dumps({"same": is_same(found[1], found[2])})
        if found := re.search(r"<new>\n(.*)\n</new>.*<known>\n(.*)\n</known>", text, re.S):
            known = [line.partition(". ")[2] for line in found[2].splitlines()]
            right = [n for n, one in enumerate(known, 1) if is_same(found[1], one)]
            return json.dumps({"number": right[0] if right else 0})
        if "<newest>" in text:
            return json.dumps({"question": "How do I install nginx on Debian?"})
        return otherwise

    return script


def comparisons(prompts: Sequence[str]) -> list[str]:
    """Return those prompts that ask a judge."""
    return [one for one in prompts if "<first>" in one or "<known>" in one]
