"""AutoPartGen: one object in, its parts out. The library; it knows neither Ray nor HTTP."""
