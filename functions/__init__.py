"""The ways in: one folder a Lambda function. Each parses, calls one use case, and answers.

A starting function makes little else than what it keeps, and to look through that for garbage, again and again, took a
tenth of the CPU of a start. So the collector rests from here until `web.entry.observed` has made the handler.
"""

import gc

gc.disable()
