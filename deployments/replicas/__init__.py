"""The deployments: one class each, thin around the library; `deployments.app` binds them."""
