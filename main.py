"""The whole system on one machine: `python main.py`.

By template.yaml, it does the work of API Gateway and S3 for the functions' real handlers, and keeps ratings, pictures
and captions under data/. It is for development and for teams without AWS, and runs on one machine only.
"""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
# Where a Lambda image has the layers under /opt/python, which is on its path, here they are under layers/.
sys.path[:0] = [str(ROOT), *(str(layer) for layer in sorted(ROOT.glob("layers/*/python")))]

_SETTINGS = """\
settings, from the environment:
  HOST, PORT          where to listen (127.0.0.1, 8000; port 0 takes a free one)
  API_KEY             ask for this key in the header x-api-key (off)
  THROTTLE=1          let through only as many requests as template.yaml says (off)
  OBSERVATION_STORE   where ratings are kept (sqlite:///data/observations.db)
  SPACES              a search space of your own (a path; the shipped one without it)
  CAPTION_STORE       where captions are kept (sqlite:///data/captions.db)
  CAPTION_MODEL       the caption bundle (file://models/flickr8k)
  UPLOAD_BUCKET       the folder whose uploads/ is watched for pictures (file://data)
  CORS_ORIGIN         the origin whose pages may call (*)
  LOG_LEVEL           DEBUG, INFO, WARNING, ERROR or CRITICAL (INFO)
  LOG_FORMAT          json, text (lines for people), or auto: text on a terminal (auto)
"""


def main() -> int:
    """Run the local stack; return the exit status."""
    parser = argparse.ArgumentParser(
        description="Run the tuning and captioning API on this machine.",
        epilog=_SETTINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    try:
        import prometheus_client  # noqa: F401, PLC0415  (only to see whether the requirements are there)
        import uvicorn  # noqa: F401, PLC0415
    except ModuleNotFoundError:
        print("The requirements are not installed: run `make run`, which also starts this.", file=sys.stderr)
        return 1
    from local import server  # noqa: PLC0415  (after the check above)
    from local.settings import LocalSettings  # noqa: PLC0415
    from local.template import read  # noqa: PLC0415
    from web.settings import SettingError, Settings  # noqa: PLC0415

    try:
        settings = LocalSettings.from_environment()
        template = read(ROOT / "template.yaml", CorsOrigin=Settings.from_environment().cors_origin)
        ended = server.serve(template, settings)
    except SettingError as error:
        print(error, file=sys.stderr)
        return 2
    if not ended:
        # A thread is still at work; a regular exit of the interpreter might wait for it or crash.
        sys.stdout.flush()
        os._exit(0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
