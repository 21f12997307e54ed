"""The entry point of the status function, which Lambda imports. The function is `functions.caption.status_routes`."""

from web.starting import starting_http

with starting_http():
    from functions.caption.resources import shared_resources
    from functions.caption.status_routes import build
    from web.settings import Settings

    resources = shared_resources(Settings.from_environment())
    app, handler = build(resources)
