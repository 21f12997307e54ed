"""The documentation as a site: MkDocs' settings and hooks, for `make docs`."""
