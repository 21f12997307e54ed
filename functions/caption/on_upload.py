"""The entry point of the upload function, which Lambda imports. The function is `functions.caption.upload_events`."""

from web.starting import starting

with starting():
    from functions.caption.resources import shared_resources
    from functions.caption.upload_events import build
    from web.settings import Settings

    resources = shared_resources(Settings.from_environment())
    handler = build(resources)
