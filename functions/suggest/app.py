"""The entry point of the suggest function, which Lambda imports. The function is `functions.suggest.routes`."""

from web.starting import starting_http

with starting_http():
    from functions.suggest.routes import build
    from web.settings import Settings

    function = build(Settings.from_environment())
    app, handler = function.app, function.handler
