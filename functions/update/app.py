"""The entry point of the update function, which Lambda imports. The function is `functions.update.routes`."""

from web.starting import starting_http

with starting_http():
    from functions.update.routes import build
    from web.settings import Settings

    function = build(Settings.from_environment())
    app, handler = function.app, function.handler
