"""The local stack: what API Gateway and Lambda do with template.yaml, on one machine, for the same functions."""
