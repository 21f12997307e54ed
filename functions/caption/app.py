"""The entry point of the caption function, which Lambda imports. The function is `functions.caption.caption_routes`."""

from web.starting import starting_http

with starting_http():
    from functions.caption.caption_routes import build
    from functions.caption.resources import shared_resources
    from web.settings import Settings

    resources = shared_resources(Settings.from_environment())
    app, handler = build(resources)
