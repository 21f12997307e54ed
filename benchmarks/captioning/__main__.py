"""Runs both sides in turn over one model, and writes docs/benchmarks/captioning.md and captioning.svg.

    make bench-captioning DATA=folder

DATA is a folder in the layout of Flickr8k with features_train.npz, features_val.npz and images_val. The model is the
one that `make model` left under build/, or else one that is trained now for two epochs. A run takes some twenty
minutes on an idle machine; one that was stopped goes on with the model and with what Keras said of the pictures. It
refuses to go on when the two sides do not say the same of the picture that is timed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tqdm import tqdm

from benchmarks.drawing import new_figure, save
from benchmarks.machine import describe

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "benchmarks"
KERAS = ROOT / ".venv-model" / "bin" / "python"
LAYERS = [str(ROOT / "layers" / layer / "python") for layer in ("storage", "web", "tuning", "captioning")]

WORDS = 12
RUNS = 3  # of each side, in turn
REPEATS = 9  # of a measurement within a run
FRESH = 5  # processes of ours for each of the original's, which takes longer than all of these
PICTURES = 1_000

ENCODER_GFLOP = 11.4
"""Of InceptionV3 on 299 x 299 pixels: 5.7 billion multiplications, each with an addition."""

_FIRST = """
import json, sys
from functions.caption.app import handler
with open(sys.argv[1]) as stream:
    print(json.loads(handler(json.load(stream), None)["body"])["caption"])
"""

_PAGE = """\
# Captioning, side by side

The original's way of serving (Keras, one `predict` over the padded caption for each word) and ours, over one and the
same model: the original's architecture with trained weights, and the bundles that `tools.captioner` makes of it.
Written by `make bench-captioning`; both sides took turns in one run, each process on one thread.

{table}

![Ours against the original](captioning.svg)

- Times are CPU times of the process, medians of {repeats} in each of {sides} runs: what a clock on the wall shows
  where nothing else runs. The picture is {picture}, its caption "{caption}", {words} words.
- The exact bundle is float32 throughout; the default profile has an 8-bit encoder.
- The original's beam makes one call of a compiled `tf.function` for each hypothesis and word; ours makes one for each
  word.
- A fresh process imports everything, loads the models and captions one picture; ours goes through the function's real
  handler, from API Gateway's event to the answer. Python's bytecode is there on both sides, as in the images. Medians
  of {sides} processes of the original and {fresh} of ours. Memory is the largest resident size of these.
- The bound is what NumPy's BLAS makes of two matrices of 2,048 x 2,048 on one thread: {rate:.0f} GFLOP/s. The encoder
  takes {gflop} GFLOP: at the bound, and with nothing else to do, the exact bundle would be {most:.0f} times as fast as
  the original.
- Identical captions: greedy, word for word, of {count} validation pictures. Of the default profile, {dynamic} are
  identical.
- Measured with {machine}, and a load average of {low:.1f} to {high:.1f}: what runs beside it takes caches and
  memory's bandwidth from both sides, if not alike.
"""


class BenchmarkError(Exception):
    """The comparison cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Process:
    """A finished process: what it wrote, the CPU seconds that it took and the most memory that it held, in MB.

    Linux counts from the fork on: the memory is never less than what this process held when it started the other.
    """

    output: str
    seconds: float
    megabytes: float


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table; `factor` is how many times less ours takes, where that is what counts."""

    title: str
    original: str
    ours: str
    target: str
    factor: float | None = None


def run(command: Sequence[str], **environment: str) -> Process:
    """Run a process on one thread and wait for it. Raises BenchmarkError if it fails."""
    whole = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *LAYERS]),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONDONTWRITEBYTECODE": "",  # what is measured is read from it, as in the images
        **environment,
    }
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=whole, stdout=output)  # noqa: S603 - our own command
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read()
    if process.returncode:
        raise BenchmarkError(f"{' '.join(command[:5])} ended with {process.returncode}")
    return Process(said, used.ru_utime + used.ru_stime, used.ru_maxrss / 1_024)


def original(*arguments: object) -> Process:
    """Run a command of the original's side."""
    return run([str(KERAS), "-m", "benchmarks.captioning.original", *map(str, arguments)])


def ours(*arguments: object) -> Process:
    """Run a command of our side."""
    return run([sys.executable, "-m", "benchmarks.captioning.ours", *map(str, arguments)])


def medians(runs: Sequence[Process]) -> dict[str, float]:
    """Return the medians of what several runs measured."""
    found = [json.loads(one.output.splitlines()[-1]) for one in runs]
    return {name: median(one[name] for one in found) for name in found[0]}


def fresh(bundle: Path, event: Path, folder: Path) -> Process:
    """One caption by the function's handler in a new process."""
    return run(
        [sys.executable, "-c", _FIRST, str(event)],
        CAPTION_MODEL=f"file://{bundle}",
        CAPTION_STORE=f"sqlite:///{folder}/captions.db",
        LOG_LEVEL="ERROR",
    )


def event_of(picture: Path, path: Path) -> Path:
    """Return the event that API Gateway makes of a picture, as a file."""
    from local.events import Request, proxy_event  # noqa: PLC0415 - only where it is measured by the real handler
    from local.template import Route  # noqa: PLC0415

    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + picture.read_bytes()
    headers = (("content-type", "multipart/form-data; boundary=b"),)
    request = Request("POST", "/generate-caption/", "", headers, body + b"\r\n--b--\r\n", "127.0.0.1")
    route = Route("POST", "/generate-caption", "CaptionFunction", needs_key=True, rate=None)
    event = proxy_event(
        request, route, {}, stage="v1", request_id="1", binary_media_types=frozenset({"multipart/form-data"})
    )
    path.write_text(json.dumps(event), encoding="utf-8")
    return path


def compare(work: Path, data: Path, *, count: int, sides: int) -> str:
    """Measure everything; the page."""
    original("prepare", work, data)
    original("captions", work, data, count)
    theirs: dict[str, str] = json.loads((work / "captions.json").read_text(encoding="utf-8"))
    said = {
        name: json.loads(ours("captions", work / name, data / "images_val", work / "captions.json").output)
        for name in ("exact", "dynamic")
    }
    same = {name: sum(captions[one] == theirs[one] for one in theirs) for name, captions in said.items()}
    suited = [one for one in theirs if all(len(c[one].split()) == WORDS for c in (theirs, *said.values()))]
    if not suited:
        raise BenchmarkError(f"no picture has a caption of {WORDS} words on both sides")
    picture = data / "images_val" / suited[0]
    runs: dict[str, list[Process]] = {"original": [], "exact": [], "dynamic": []}
    loads = []
    for _ in tqdm(range(sides), "measuring", leave=False):
        runs["original"].append(original("measure", work, picture, REPEATS))
        loads.append(os.getloadavg()[0])
        for name in ("exact", "dynamic"):
            runs[name].append(ours("measure", work / name, picture, REPEATS))
        loads.append(os.getloadavg()[0])
    keras, exact, dynamic = (medians(runs[name]) for name in ("original", "exact", "dynamic"))
    with tempfile.TemporaryDirectory(dir=work) as temporary:
        event = event_of(picture, Path(temporary) / "event.json")
        first, again = [], []
        for number in tqdm(range(sides), "starting", leave=False):
            first.append(original("first", work, picture))
            started = [fresh(work / "dynamic", event, Path(temporary) / f"{number}-{one}") for one in range(FRESH + 1)]
            again += started[1:]  # the one before them left bytecode where there was none
            loads.append(os.getloadavg()[0])
    expected = theirs[picture.name]
    if {one.output.splitlines()[-1] for one in (*first, *again)} != {expected}:
        raise BenchmarkError(f"not every process says {expected!r} of {picture.name}")
    rate = 2 * 2_048**3 / exact["matrix"] / 1e9
    lines = list(_lines(keras, exact, dynamic, first, again, rate=rate, same=same["exact"], count=len(theirs)))
    _plot(lines, FOLDER / "captioning.svg")
    return _PAGE.format(
        table="\n".join(_table(lines)),
        repeats=REPEATS,
        sides=sides,
        fresh=FRESH * sides,
        picture=picture.name,
        caption=expected,
        words=WORDS,
        rate=rate,
        gflop=ENCODER_GFLOP,
        most=keras["caption"] * rate / ENCODER_GFLOP,
        count=f"{len(theirs):,}",
        dynamic=f"{same['dynamic']:,}",
        machine=describe(),
        low=min(loads),
        high=max(loads),
    )


def _lines(
    keras: Mapping[str, float],
    exact: Mapping[str, float],
    dynamic: Mapping[str, float],
    first: Sequence[Process],
    again: Sequence[Process],
    *,
    rate: float,
    same: int,
    count: int,
) -> Iterator[Line]:
    def timed(title: str, theirs: float, mine: float, target: int) -> Line:
        return Line(title, _spoken(theirs), _spoken(mine), f">= {target}x faster", theirs / mine)

    yield timed("warm caption of 12 words, exact bundle", keras["caption"], exact["caption"], 12)
    yield timed("warm caption of 12 words, default profile", keras["caption"], dynamic["caption"], 40)
    yield timed("decoding of 12 words alone", keras["decode"], exact["decode"], 200)
    yield timed("beam of 5", keras["beam"], exact["beam"], 25)
    starts = [median(one.seconds for one in side) for side in (first, again)]
    yield timed("fresh process to first caption", starts[0], starts[1], 20)
    memory = [median(one.megabytes for one in side) for side in (first, again)]
    yield Line("peak memory", f"{memory[0]:,.0f} MB", f"{memory[1]:,.0f} MB", "<= 160 MB", memory[0] / memory[1])
    share = ENCODER_GFLOP / exact["encode"] / rate
    yield Line("encoder, float32, of the bound by matrix products", _spoken(keras["encode"]), f"{share:.0%}", ">= 60 %")
    yield Line("captions identical to the source model, exact bundle", "", f"{same:,} of {count:,}", "all")


def _spoken(seconds: float) -> str:
    return f"{seconds:,.1f} s" if seconds >= 2 else f"{seconds * 1_000:,.1f} ms"  # noqa: PLR2004 - where ms are hard to read


def _table(lines: Sequence[Line]) -> Iterator[str]:
    yield "| Figure | Original | Ours | Ratio | Target |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for line in lines:
        ratio = "" if line.factor is None else f"{line.factor:,.1f}x"
        yield f"| {line.title} | {line.original} | {line.ours} | {ratio} | {line.target} |"


def _plot(lines: Sequence[Line], path: Path) -> None:
    factors = [(line.title, line.factor) for line in reversed(lines) if line.factor is not None]
    figure, axes = new_figure("captioning", [["factors"]], (8, 3))
    axis = axes["factors"]
    bars = axis.barh([title for title, _ in factors], [factor for _, factor in factors], color="tab:blue")
    axis.bar_label(bars, [f"{factor:,.1f}x" for _, factor in factors], padding=4)
    axis.set(xscale="log", xlabel="times less than the original", xlim=(1, 3 * max(factor for _, factor in factors)))
    axis.xaxis.set_major_formatter("{x:,g}")
    axis.grid(visible=False)
    save(figure, path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare both sides; the exit status is 1 if that cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.captioning", description=(__doc__ or "").partition("\n\n")[0]
    )
    parser.add_argument("--data", type=Path, required=True, help="a folder in the layout of Flickr8k, with features")
    parser.add_argument("--pictures", type=int, default=PICTURES, help="to compare word for word (%(default)s)")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each side, in turn (%(default)s)")
    parser.add_argument(
        "--work", type=Path, default=ROOT / "build" / "bench-captioning", help="where the model is kept"
    )
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        page = compare(options.work.resolve(), options.data.resolve(), count=options.pictures, sides=options.runs)
    except (BenchmarkError, OSError) as error:
        print(f"benchmarks.captioning: {error}", file=sys.stderr)
        return 1
    (FOLDER / "captioning.md").write_text(page, encoding="utf-8")
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
