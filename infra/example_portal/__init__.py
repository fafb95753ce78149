"""A small portal to learn from: it submits pictures, hears of decisions by webhooks and shows reports."""
