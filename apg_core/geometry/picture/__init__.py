"""Pictures of parts: their colours, previews, and the rays behind them."""
