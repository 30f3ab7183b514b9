"""The product's own figures: what each is made of, so that anybody can count it again."""

FORMULAS = {
    "task_completion": "tasks answered / tasks ended",
    "autonomy_index": "tasks answered without a person / tasks ended; a person is in it when an "
    "act waited for a yes, or a war room's ruling was a person's",
    "human_interventions": "answers of people: to changes, to acts, to war rooms",
    "self_healing_coverage": "incidents and alarms that ended without a person / all detected",
    "deployment_confidence_s": "median seconds from the first check of an environment to the first "
    "one that found nothing wrong (`agora doctor`)",
    "knowledge_freshness_s": "median seconds from the acquisition of an answer, a memory or a "
    "piece of news to the moment when it could first be recalled",
    "safety_incidents": "acts that a policy stopped + changes taken back after an alarm",
    "total_power": "capabilities that act and whose benefit records show: answers served again, "
    "incidents healed, meetings that answered, trials won",
}
"""By name; a figure is null, and is spoken of as nothing to count yet, until its basis exists."""


def ratio(part: float, whole: float) -> float | None:
    """Return a share in [0, 1]; None where there is nothing to count."""
    return part / whole if whole else None


def changed(before: object, after: object, name: str = "") -> list[dict[str, object]]:
    """Return what differs between two reports: dotted name, before, after; sorted by name."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted({*before, *after}, key=str)
        pairs = [(f"{name}.{key}".lstrip("."), before.get(key), after.get(key)) for key in keys]
        return [one for key, old, new in pairs for one in changed(old, new, key)]
    same = before == after or (
        isinstance(before, float) and isinstance(after, float) and abs(before - after) < 1e-9
    )
    return [] if same else [{"what": name, "before": before, "after": after}]
