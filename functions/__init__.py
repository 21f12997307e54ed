"""The ways in: one folder a Lambda function. Each parses, calls one use case, and answers."""
