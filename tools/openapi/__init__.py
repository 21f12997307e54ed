"""Makes the OpenAPI document of all functions: `make openapi`."""
