"""Make caption bundles (convert, train, evaluate, bundle, build) and publish them: `python -m tools.captioner`."""
