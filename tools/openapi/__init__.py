"""The compiler of the OpenAPI document: from the operations' declarations and schemas to ``openapi.yaml``."""
