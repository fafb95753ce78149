"""What a worker tells Prometheus. The names say the unit; none carries patient data."""

from prometheus_client import Counter, Gauge, Summary

IMAGES = Counter("dermatrail_worker_images_total", "Images settled, by how", ["outcome"])
FETCH_SECONDS = Summary("dermatrail_worker_fetch_seconds", "Reading one original from the object store")
PREPARE_SECONDS = Summary("dermatrail_worker_prepare_seconds", "Decoding and preprocessing one image")
MODEL_SECONDS = Summary("dermatrail_worker_model_seconds", "Both networks on one batch")
MODEL_WAITING_SECONDS = Summary("dermatrail_worker_model_waiting_seconds", "The model thread waiting for a prepared batch")
STORE_SECONDS = Summary("dermatrail_worker_store_seconds", "Storing mask and thumbnail of one image")
SETTLE_SECONDS = Summary("dermatrail_worker_settle_seconds", "The transaction that settles one batch")
SWEPT = Counter("dermatrail_worker_swept_total", "Jobs taken back from dead workers, by what became of them", ["outcome"])
SHADOWED = Counter("dermatrail_worker_shadow_total", "Images scored by versions that are not served, by how", ["outcome"])
TILED = Counter("dermatrail_worker_tiles_total", "Large pictures cut into tiles, by how it went", ["outcome"])
SERVING = Gauge("dermatrail_worker_serving", "1 while the champions are loaded, 0 while jobs wait because they cannot be")
