"""%date:yyyy-MM-dd% and %Node.widget% in the name of a file, which the front end fills in for ComfyUI's own nodes only.

%width%, %height%, %year% and the like are the host's own part (folder_paths.get_save_image_path).
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

PLACEHOLDER = re.compile("%([^%]+)%")
HOSTS = frozenset(("width", "height", "year", "month", "day", "hour", "minute", "second", "batch_num"))
DATE = re.compile("yyyy|yy|dd?|MM?|hh?|mm?|ss?")
FORBIDDEN = re.compile(r'[/\\<>:"|?*\x00-\x1f\x7f]')  # in the name of a file, by Windows


def filled(
    prefix: str, prompt: Mapping | None = None, workflow: Mapping | None = None, now: datetime | None = None
) -> tuple[str, list[str]]:
    """The prefix with its placeholders filled in, and those that mean nothing here, which stay, without the %.

    prompt, workflow  the graph that is run, as the host's hidden inputs have it; a node is named by its "Node name for
                      S&R", its title or its type
    """
    now, unknown = now or datetime.now(), []

    def value(found: re.Match) -> str:
        text = found[1]
        if text in HOSTS:
            return found[0]
        if text.startswith("date:"):  # may hold a / for folders
            return "/".join(_safe(part) for part in _date(text.removeprefix("date:"), now).split("/"))
        name, dot, widget = text.rpartition(".")
        for inputs in _inputs_of(name, prompt or {}, workflow or {}) if dot else ():
            if widget in inputs and not isinstance(inputs[widget], list | dict):  # a list is a wire
                return _safe(str(inputs[widget]))
        unknown.append(found[0])
        return _safe(text)

    return PLACEHOLDER.sub(value, prefix), unknown


def _inputs_of(name: str, prompt: Mapping, workflow: Mapping) -> Iterator[Mapping]:
    """Inputs of the nodes of this name, those first that were named for this."""
    named = {str(node.get("id")): node.get("properties") or {} for node in workflow.get("nodes", ())}
    for of in (
        lambda number, node: named.get(number, {}).get("Node name for S&R"),
        lambda number, node: (node.get("_meta") or {}).get("title"),
        lambda number, node: node.get("class_type"),
    ):
        yield from (node.get("inputs", {}) for number, node in prompt.items() if of(str(number), node) == name)


def _date(form: str, now: datetime) -> str:
    """As ComfyUI's front end writes it: d, M, h (of 24), m, s and yy or yyyy; a letter twice is padded with 0."""
    parts = {"d": now.day, "M": now.month, "h": now.hour, "m": now.minute, "s": now.second}

    def part(found: re.Match) -> str:
        text = found[0]
        return str(now.year)[-len(text) :] if text[0] == "y" else str(parts[text[0]]).zfill(len(text))

    return DATE.sub(part, form)


def _safe(text: str) -> str:
    return FORBIDDEN.sub("_", text).strip()
