"""A page to judge a captioner by: its figures, and what it says of some pictures beside what people said of them.

The pictures are taken at even steps from the best to the worst caption by CIDEr-D. Refuses to show only good ones, to
link to anything outside its folder, and to pass on a picture's bytes: it shows small copies.
"""

from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Final

import numpy as np

from tools.captioner.cider import Cider
from tools.captioner.errors import DatasetError
from tools.captioner.figures import best_of
from tools.captioner.toolchain import require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tools.captioner.dataset import Dataset
    from tools.captioner.figures import Evaluation

__all__ = ["write_report"]

_SAMPLES: Final = 24
_WIDTH: Final = 320
_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }}
table {{ border-collapse: collapse }} td, th {{ padding: .2rem .8rem; text-align: right }}
.best {{ font-weight: bold }}
.shown {{ display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fill, {width}px) }}
figure {{ margin: 0 }} img {{ max-width: 100% }} figcaption b {{ display: block }} li {{ color: #555 }}
</style>
<h1>{title}</h1>
<table>
<tr><th>Beam<th>Length penalty<th>Topics<th>Repeats<th>BLEU-1<th>BLEU-2<th>BLEU-3<th>BLEU-4<th>CIDEr-D<th>Loops<th>Words
{figures}
</table>
<p>{samples} captions of the bold line, from the best to the worst by CIDEr-D at even steps; people's below each.</p>
<div class="shown">
{shown}
</div>
</html>
"""


def write_report(
    folder: "Path",
    title: str,
    evaluations: "Sequence[Evaluation]",
    dataset: "Dataset",
    pictures: "Path | None",
) -> "Path":
    """Write `report.html`, and small copies of the pictures that it shows, into a folder, and give back its path.

    The captions shown are those of the best way of decoding. Without the folder of the `pictures`, they are named
    instead. Raises DatasetError for a picture that cannot be read.
    """
    best = best_of(evaluations)
    folder.mkdir(parents=True, exist_ok=True)
    cider = Cider(dataset.captions)
    worth = [cider.score(row, caption) for row, caption in enumerate(best.captions)]
    ranked = np.argsort([-score for score in worth], kind="stable")
    count = min(_SAMPLES, len(ranked))
    rows = [int(ranked[place]) for place in np.linspace(0, len(ranked) - 1, count).round().astype(int)]
    shown = []
    for number, row in enumerate(rows, start=1):
        name = dataset.names[row]
        if pictures is None:
            image = escape(name)
        else:
            file = f"picture-{number:02}.jpg"
            (folder / file).write_bytes(_shrink(pictures / name))
            image = f'<img src="{file}" alt="{escape(name)}">'
        said = "".join(f"<li>{escape(' '.join(words))}" for words in dataset.captions[row])
        caption = escape(" ".join(best.captions[row]))
        shown.append(f"<figure>{image}<figcaption><b>{caption}</b>CIDEr-D {worth[row]:.2f}<ul>{said}</ul></figure>")
    page = folder / "report.html"
    page.write_text(
        _PAGE.format(
            title=escape(title),
            width=_WIDTH,
            figures="\n".join(_row(evaluation, evaluation is best) for evaluation in evaluations),
            samples=count,
            shown="\n".join(shown),
        ),
        encoding="utf-8",
    )
    return page


def _row(evaluation: "Evaluation", best: bool) -> str:
    decoding, scores = evaluation.decoding, evaluation.scores
    cells = (
        decoding.beam_width,
        f"{decoding.length_penalty:g}",
        f"{decoding.topic_weight:g}",
        "barred" if decoding.no_repeat_ngram else "allowed",
        *(f"{score:.3f}" for score in scores.bleu),
        f"{scores.cider:.3f}",
        scores.loops,
        f"{scores.words:.1f}",
    )
    return ('<tr class="best">' if best else "<tr>") + "".join(f"<td>{cell}" for cell in cells)


def _shrink(path: "Path") -> bytes:
    image_module = require("PIL.Image")
    stream = BytesIO()
    try:
        with image_module.open(path) as image:
            small = image.convert("RGB")
            small.thumbnail((_WIDTH, _WIDTH))
            small.save(stream, "JPEG", quality=85)
    except (OSError, image_module.DecompressionBombError) as error:
        raise DatasetError(f"{path} cannot be read as a picture: {error}") from error
    return stream.getvalue()
