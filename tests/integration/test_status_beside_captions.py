"""A function that is busy with pictures keeps nobody from what is asked beside captions."""

import io
import threading

from PIL import Image

from tests.support.stack import Stack

PICTURES = 8


def test_health_leave_to_upload_and_captions_of_uploads_answer_while_captions_wait_for_each_other(stack: Stack) -> None:
    answered: list[int] = []

    def caption(number: int) -> None:
        stream = io.BytesIO()
        Image.new("RGB", (4000, 3000), (number, 90, 200)).save(stream, "JPEG")
        answered.append(stack.post("/generate-caption/", files={"file": stream.getvalue()}).status_code)

    captions = [threading.Thread(target=caption, args=(number,)) for number in range(PICTURES)]
    for one in captions:
        one.start()
    while not answered:
        captions[0].join(0.01)
    beside = [
        stack.get("/generate-caption/health").status_code,
        stack.post("/uploads", json={"content_type": "image/jpeg"}).status_code,
        stack.get("/captions/uploads/nothing.jpg").status_code,
    ]
    waiting = PICTURES - len(answered)
    for one in captions:
        one.join()

    assert beside == [200, 200, 404]
    assert waiting > 0, "the pictures were done before anything was asked beside them"
    assert answered == [200] * PICTURES
