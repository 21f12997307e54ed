"""What the entry points of all functions share: the application, its errors, its logs and its settings.

This layer knows HTTP and API Gateway. It knows nothing of tuning or captioning.
"""
