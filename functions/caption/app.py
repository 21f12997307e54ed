"""The caption function over HTTP: POST /generate-caption/ and GET /generate-caption/health."""
