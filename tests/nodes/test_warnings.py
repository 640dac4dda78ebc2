"""What a node says while it is run goes to the log and onto the node."""

import logging

import pytest
import torch

pytestmark = pytest.mark.host


def test_photos_of_several_people_are_named_on_the_node(host, run, diffsfsr, people, monkeypatch, caplog):
    from comfy_execution.utils import CurrentNodeContext

    said: list[tuple[str, str]] = []
    server = host.part("nodes.progress").PromptServer.instance
    monkeypatch.setattr(server, "send_progress_text", lambda text, node: said.append((node, text)))
    monkeypatch.setattr(host.part("models.identity.recognisers"), "ODD", 1.1)  # the weights here are random ones
    photos = torch.cat([people(2), people(3)])
    with caplog.at_level(logging.WARNING), CurrentNodeContext(prompt_id="1", node_id="7"):
        run("DiffSFSREncodeIdentity", diffsfsr=diffsfsr, image=photos, face="largest", face_number=0)
    assert said and said[0][0] == "7" and "the identity photos do not show one person" in said[0][1]
    assert "do not show one person" in caplog.text
