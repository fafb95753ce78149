"""Figures for Prometheus; none of them names a portal or a patient."""

from prometheus_client import Counter, Histogram

UPLOADS = Counter("dermatrail_intake_images", "Images accepted.")
BATCH_ITEMS = Counter("dermatrail_intake_batch_items", "Lines of batches that ended, by outcome.", ["outcome"])
REQUESTS = Histogram(
    "dermatrail_intake_request_seconds",
    "Duration of requests.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
