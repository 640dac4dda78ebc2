"""What a run costs on a real ComfyUI: memory over many runs and over long videos, time against the host's own KSampler.

Graphs are the portrait template or cut from it, with synthetic people. Of a host's process are measured its resident
memory and its processor seconds, which other work on the machine disturbs less than the clock.
"""

import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from PIL import Image

from ..people import find_people
from .server import PACK, Host, find_comfyui
from .workflow import find_node, to_prompt

WORKFLOW = PACK / "workflows" / "01 Start here - portrait from a selfie.json"
SELFIE, SCENE = "P009", "P003"
MIB = 1 << 20
LONGEST, SIDE, FACE = 768, 512, 128  # sides of photos, of video frames and of the bundled model's faces, pixels
# bytes of one frame: as it comes in and goes out; its face cut out, shown and painted, and the mask
ONE_FRAME = 4 * (2 * 3 * SIDE**2 + (3 * 3 + 1) * FACE**2)
SETTINGS = {"sampler_name": "euler", "scheduler": "simple"}


class Meter:
    """Reads a host's process."""

    def __init__(self, host: Host):
        self._process = psutil.Process(host.pid)

    def memory(self) -> float:
        """Resident, MiB."""
        return self._process.memory_info().rss / MIB

    def seconds(self) -> float:
        """Of the processor, since the host was started."""
        times = self._process.cpu_times()
        return times.user + times.system

    @contextmanager
    def peak(self, every: float = 0.1) -> Iterator[list[float]]:
        """The most memory seen while the block ran: in the list once it has ended."""
        seen, stop = [self.memory()], threading.Event()

        def watch() -> None:
            while not stop.wait(every):
                seen[0] = max(seen[0], self.memory())

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield seen
        finally:
            stop.set()
            thread.join()


def portrait(host: Host) -> dict[str, dict]:
    """The template with photos of two synthetic people, made smaller, so that little time goes into PNG files."""
    prompt = to_prompt(json.loads(WORKFLOW.read_text("utf-8")), host.get("/object_info"))
    for title, person, photo in (("Selfie", SELFIE, "amateur_selfie"), ("Background", SCENE, "studio_portrait")):
        picture = Image.open(find_people() / person / "assets" / f"{photo}.jpg").convert("RGB")
        picture.thumbnail((LONGEST, LONGEST))
        path = host.base / f"{person}.png"
        picture.save(path)
        find_node(prompt, "DiffSFSRPhoto", title)["inputs"]["image"] = host.upload(path)
    return prompt


def many_runs(host: Host, runs: int, steps: int) -> Iterator[tuple[int, float]]:
    """Queue the template so often, each time with another seed; yields each run's number and the memory after it."""
    prompt, meter = portrait(host), Meter(host)
    sampler = find_node(prompt, "DiffSFSRSampler")["inputs"]
    for number in range(1, runs + 1):
        sampler |= {"seed": number, "steps": steps}
        host.run(prompt)
        yield number, meter.memory()


@dataclass(frozen=True)
class Video:
    frames: int
    before: float  # MiB, after a run of one frame, with all networks loaded
    peak: float  # MiB
    images: float  # MiB that the pictures on the wires take, frames and faces
    seconds: float  # of the clock
    unpainted: float  # the same without the painter, by the photo's pixels alone

    @property
    def beside(self) -> float:
        """MiB at the peak, beside the pictures."""
        return self.peak - self.before - self.images


def videos(host: Host, lengths: list[int], steps: int) -> Iterator[Video]:
    """Videos of one picture, of SIDE pixels: found, smoothed, sampled, pasted; then again without the painter."""
    prompt, meter = portrait(host), Meter(host)
    sampler, background = (find_node(prompt, f"DiffSFSR{name}")["inputs"] for name in ("Sampler", "ExtractBackground"))
    square = {"width": SIDE, "height": SIDE, "crop": "center", "upscale_method": "bilinear"}
    prompt = {key: each for key, each in prompt.items() if "Save" not in each["class_type"]}
    prompt |= {
        "scaled": node("ImageScale", image=background["image"], **square),
        "frames": node("RepeatImageBatch", image=["scaled", 0], amount=1),
        **shown(key_of(prompt, "DiffSFSRSampler")),
    }
    wires = {name: sampler[name] for name in ("background", "identity", "expression")}
    preview = {key: each for key, each in prompt.items() if each["class_type"] != "DiffSFSRSampler"} | {
        "finished": node("DiffSFSRFinish", **wires),
        "pasted": node("DiffSFSRPasteFaceBack", image=["finished", 0], background=wires["background"]),
        **shown("pasted"),
    }
    sampler |= {"steps": steps, "shared_noise": True}
    background |= {"image": ["frames", 0], "without_face": "pass through", "smoothing": 1.0}

    def run(graph: dict[str, dict], smoothing: float) -> float:
        background["smoothing"] = smoothing  # another one, so that faces are not found before
        begun = time.perf_counter()
        host.run(graph)
        return time.perf_counter() - begun

    run(prompt, 1.0)
    before = meter.memory()
    for frames in lengths:
        prompt["frames"]["inputs"]["amount"] = frames
        with meter.peak() as peak:
            spent = run(prompt, 1.0)
        yield Video(frames, before, peak[0], frames * ONE_FRAME / MIB, spent, run(preview, 1.01))


@dataclass(frozen=True)
class Timing:
    name: str
    steps: int
    seconds: tuple[float, ...]  # of the processor, round by round

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def timings(host: Host, steps: int, batch: int, repeats: int) -> list[Timing]:
    """Three ways to the same faces, in turn: our node, the host's nodes in its place, the host's KSampler alone.

    Each with so many steps and with twice as many; the difference is what the steps themselves cost.
    """
    prompt, meter = portrait(host), Meter(host)
    loader, identity, expression, extract = (
        key_of(prompt, f"DiffSFSR{name}")
        for name in ("Load", "EncodeIdentity", "ExpressionByLabel", "ExtractBackground")
    )
    selfie, background = (prompt[key]["inputs"]["image"][0] for key in (identity, extract))
    prompt = {key: prompt[key] for key in (loader, identity, expression, extract, selfie, background)}
    prompt["faces"] = node("RepeatImageBatch", image=[background, 0], amount=batch)
    prompt[extract]["inputs"]["image"] = ["faces", 0]
    wanted = {"diffsfsr": [loader, 0], "background": [extract, 0], "identity": [identity, 0]}
    wanted["expression"] = [expression, 0]
    wires = {
        "wires": node("DiffSFSRConditioning", **wanted, vae=[loader, 2]),
        "sampler": node(
            "KSampler", model=[loader, 1], positive=["wires", 0], negative=["wires", 2], latent_image=["wires", 3],
            cfg=2.0, denoise=1.0, **SETTINGS,
        ),
    }  # fmt: skip
    ours = node("DiffSFSRSampler", **wanted, identity_scale=2.0, expression_scale=2.0, **SETTINGS)
    decoded = node("VAEDecode", samples=["sampler", 0], vae=[loader, 2])
    finished = node("DiffSFSRFinish", **wanted, image=["decoded", 0])
    pasted = node("DiffSFSRPasteFaceBack", image=["finished", 0], background=[extract, 0])
    ways = {
        "DiffSFSR Sampler": {"sampler": ours, **shown("sampler")},
        "the host's nodes": {**wires, "decoded": decoded, "finished": finished, "pasted": pasted, **shown("pasted")},
        # its conditioning is that of the graph before it, and not made anew
        "KSampler alone": {**wires, "kept": node("SaveLatent", samples=["sampler", 0], filename_prefix="benchmark")},
    }
    taken: dict[tuple[str, int], list[float]] = {}
    seed = 0
    for repeat in range(repeats + 1):
        for count in (steps, 2 * steps):
            prompt[expression]["inputs"]["intensity"] = 1 - seed / 1000  # another one, so that nothing else is cached
            for name, graph in ways.items():
                seed += 1
                graph["sampler"]["inputs"] |= {"steps": count, "seed": seed}
                begin = meter.seconds()
                host.run(prompt | graph)
                if repeat:  # the first round loads the networks
                    taken.setdefault((name, count), []).append(meter.seconds() - begin)
    return [Timing(*key, tuple(values)) for key, values in taken.items()]


def ratio(ones: Timing, others: Timing) -> float:
    """Median over the rounds, in each of which both ran one after the other."""
    return statistics.median(one / other for one, other in zip(ones.seconds, others.seconds, strict=True))


def shown(key: str) -> dict[str, dict]:
    """A corner of a node's image as a preview: something has to be shown, and it should cost nothing."""
    corner = node("ImageCrop", image=[key, 0], width=16, height=16, x=0, y=0)
    return {"corner": corner, "shown": node("PreviewImage", images=["corner", 0])}


def node(class_type: str, **inputs: object) -> dict:
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": class_type}}


def key_of(prompt: dict[str, dict], class_type: str) -> str:
    (key,) = (key for key, each in prompt.items() if each["class_type"] == class_type)
    return key


def run_benchmark(comfyui: Path | None, what: str, count: int | None = None, steps: int = 4) -> None:
    """Start a ComfyUI (as host.find_comfyui has it) and print one of the reports."""
    with tempfile.TemporaryDirectory() as base, Host(find_comfyui(comfyui), Path(base)) as host:
        for line in report(host, what, count or {"memory": 200, "video": 300, "sampler": 7}[what], steps):
            print(line, flush=True)


def report(host: Host, what: str, count: int, steps: int) -> Iterator[str]:
    """Lines of Markdown.

    what    "memory" over so many runs, "video" of so many frames, or "sampler" against KSampler in so many rounds
    """
    if what == "memory":
        yield "| run | resident memory, MiB |\n|---|---|"
        for number, memory in many_runs(host, count, steps):
            if number in (1, 20) or number % 50 == 0 or number == count:
                yield f"| {number} | {memory:.0f} |"
    elif what == "video":
        yield (
            f"| frames of {SIDE}x{SIDE} | peak, MiB | of it on the wires | beside that | frames a second | without "
            "the painter |\n|---|---|---|---|---|---|"
        )
        for video in videos(host, [count // 10, count // 3, count], steps):
            ways = f"{video.frames / video.seconds:.2f} | {video.frames / video.unpainted:.2f}"
            yield f"| {video.frames} | {video.peak:.0f} | {video.images:.0f} | {video.beside:.0f} | {ways} |"
    else:
        for batch in (1, 4):
            yield f"\n{batch} at once:\n\n| | steps | processor seconds, median (range) |\n|---|---|---|"
            found = timings(host, steps, batch, count)
            for each in found:
                low, high = min(each.seconds), max(each.seconds)
                yield f"| {each.name} | {each.steps} | {each.median:.2f} ({low:.2f} to {high:.2f}) |"
            ours, theirs, alone, twice, _, alone_twice = found
            ours_steps, alone_steps = twice.median - ours.median, alone_twice.median - alone.median
            yield (
                f"\nour node with {steps} steps, medians of the rounds: {ratio(ours, theirs):.3f} of the host's nodes, "
                f"{ratio(ours, alone):.3f} of KSampler alone; steps take {ours_steps / ours.median:.0%} of its time; "
                f"a step costs {ours_steps / alone_steps:.3f} of KSampler's"
            )
