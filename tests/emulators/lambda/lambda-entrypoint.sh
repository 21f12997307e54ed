#!/bin/sh
# Runs the handler that the argument names: under the emulator, unless somebody speaks the runtime interface already.
export _HANDLER="${1:?is the handler, such as functions.suggest.app.handler}"
test -n "$AWS_LAMBDA_RUNTIME_API" || exec aws-lambda-rie /var/runtime/bootstrap
exec /var/runtime/bootstrap
