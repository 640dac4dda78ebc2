"""Workflows as ComfyUI's front end saves them, made into what its server runs."""

WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
NOTES = {"Note", "MarkdownNote"}  # exist in the front end only
MUTED, BYPASSED = 2, 4  # a node's "mode"
SEEDS = {"seed", "noise_seed"}  # the front end adds its "control after generate" to integers of these names by itself


def to_prompt(workflow: dict, object_info: dict) -> dict[str, dict]:
    """Convert a workflow from the UI format (nodes, links, values by position) to the API format (values by name).

    workflow:     what the front end saves; subgraphs, bypassed and front-end-only nodes (reroutes, ...) are refused
    object_info:  what the server answers to /object_info; it knows the order of each node's widgets
    returns       {node id: {"class_type", "inputs", "_meta"}}, to be posted to /prompt; required inputs that are
                  newer than the workflow have their defaults, as the front end gives them
    """
    nodes = {node["id"]: node for node in workflow["nodes"] if node["type"] not in NOTES and node.get("mode") != MUTED}
    links = {link[0]: [str(link[1]), link[2]] for link in workflow["links"] if link[1] in nodes}
    prompt = {}
    for identifier, node in nodes.items():
        label = f'node {identifier} ("{node["type"]}")'
        if node.get("mode") == BYPASSED:
            raise ValueError(f"{label} is bypassed; mute it or take it out")
        if node["type"] not in object_info:
            raise ValueError(f"{label} is not known to ComfyUI; is the pack that brings it installed?")
        info = object_info[node["type"]]
        inputs = _widget_values(node, info, label)
        for socket in node.get("inputs", []):
            if socket.get("link") in links:
                inputs[socket["name"]] = links[socket["link"]]
        title = node.get("title") or info.get("display_name") or node["type"]
        prompt[str(identifier)] = {"class_type": node["type"], "inputs": inputs, "_meta": {"title": title}}
    return prompt


def find_node(prompt: dict[str, dict], class_type: str, title: str | None = None) -> dict:
    """The one node of a type (and title) in an API-format prompt; ValueError if there is none, or more than one."""
    found = [
        node for node in prompt.values() if node["class_type"] == class_type and title in (None, node["_meta"]["title"])
    ]
    if len(found) != 1:
        present = sorted(f"{node['class_type']} ({node['_meta']['title']})" for node in prompt.values())
        raise ValueError(f'want one node "{class_type}" titled "{title}", found {len(found)} among {present}')
    return found[0]


def _widget_values(node: dict, info: dict, label: str) -> dict:
    """{input name: value} of a node's widgets, which the UI format saves as a bare list."""
    values = list(node.get("widgets_values") or [])
    inputs = {}
    for group in ("required", "optional"):
        uploads = False
        for name in info["input_order"].get(group, []):
            kind, *rest = info["input"][group][name]
            options = rest[0] if rest else {}
            if not (isinstance(kind, list) or kind in WIDGET_TYPES) or options.get("forceInput"):
                continue
            if not values and group == "optional":
                continue  # newer than the workflow; the node has a default
            if not values and "default" in options:
                inputs[name] = options["default"]  # newer, too: ComfyUI's own nodes may get such ones
                continue
            if not values:
                raise ValueError(f'{label} has no value for "{name}"; save the workflow again with this version')
            inputs[name] = values.pop(0)
            if options.get("control_after_generate") or (kind == "INT" and name in SEEDS):
                values = values[1:]  # "fixed", "randomize", ...
            uploads = uploads or any(options.get(f"{medium}_upload") for medium in ("image", "audio", "video"))
        if uploads:
            values = values[1:]  # the upload button is a widget, too
    if values:
        raise ValueError(f"{label} has values that belong to no input: {values}; save the workflow again")
    return inputs
